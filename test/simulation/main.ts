/**
 * Runs the simulation from the command line: SEEDS seeds from SEED on, or SCENARIO=fleet with HOSTS hosts. TRACE=1 prints the events of
 * each run.
 */
import { watchTables } from './coverage.ts';
import { type FleetOptions, simulateFleet } from './fleet.ts';
import { simulateSeed } from './seeds.ts';

const {
  SEEDS = '500',
  SEED = '1',
  SCENARIO = 'seeds',
  HOSTS = '2000',
  CONTAINERS = '50',
  RATE = '100',
  BLOCKS = '0',
  TRACE,
} = process.env;

/** Seconds between two lines of progress. */
const progressSeconds = 10;

async function runSeeds(first: number, count: number): Promise<void> {
  const coverage = watchTables();
  const began = performance.now();
  let shownAt = began;
  const total = { events: 0, requests: 0, broken: 0 };
  for (let seed = first; seed < first + count; seed += 1) {
    try {
      const { events, requests, trace } = await simulateSeed(seed);
      total.events += events;
      total.requests += requests;
      if (TRACE !== undefined) console.log(trace.join('\n'));
    } catch (error) {
      total.broken += 1;
      console.error(error instanceof Error ? error.message : error);
    }
    if (performance.now() - shownAt < progressSeconds * 1_000) continue;
    shownAt = performance.now();
    console.error(`simulate: ${seed - first + 1} of ${count} seeds`);
  }
  const seconds = ((performance.now() - began) / 1_000).toFixed(1);
  const { events, requests, broken } = total;
  console.log(`${count} seeds from ${first}, ${events} events, ${requests} requests, ${broken} broken, ${seconds} s`);
  for (const name of coverage.missing()) console.log(`never met: ${name}`);
  process.exitCode = broken > 0 ? 1 : 0;
}

async function runFleet(options: FleetOptions): Promise<void> {
  const began = performance.now();
  // Thousands of expected errors need no stack.
  Error.stackTraceLimit = 0;
  const { requests, ends, add, running, failures, halfRunAt, lastRunsAt, unreleased } = await simulateFleet(options);
  const seconds = (milliseconds: number) => `${(milliseconds / 1_000).toFixed(1)} s`;
  const { hosts, containers, requestsPerSecond, blockSize } = options;
  console.log(
    `${hosts} hosts with ${containers} containers each reboot; the grid serves ${requestsPerSecond} requests a second`,
  );
  if (blockSize > 0) console.log(`  each host has a block of ${blockSize} addresses`);
  console.log(`  requests              ${requests}`);
  for (const [name, count] of [...ends].sort(([, one], [, other]) => other - one)) console.log(`    ${name} ${count}`);
  console.log(`  ADD that succeeded    ${seconds(add.p50)} (median), ${seconds(add.p99)} (99th percentile)`);
  console.log(`  ADD that failed       ${failures}, tried again by the kubelet`);
  console.log(
    `  containers that run   ${running}: half of all at ${seconds(halfRunAt)}, the last at ${seconds(lastRunsAt)}`,
  );
  console.log(`  not released by then  ${unreleased} addresses of before the reboot`);
  console.log(
    `  simulated in          ${seconds(performance.now() - began)}, ${process.resourceUsage().maxRSS >> 10} MiB`,
  );
}

const fleet: FleetOptions = {
  hosts: Number(HOSTS),
  containers: Number(CONTAINERS),
  requestsPerSecond: Number(RATE),
  queue: 20,
  blockSize: Number(BLOCKS),
  progress: ({ seconds, running, failures }) =>
    console.error(`simulate: after ${seconds} s ${running} containers run, ${failures} ADDs have failed`),
};
await (SCENARIO === 'fleet' ? runFleet(fleet) : runSeeds(Number(SEED), Number(SEEDS)));
