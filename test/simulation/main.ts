/**
 * Runs the simulation from the command line: SEEDS of them from SEED on, or SCENARIO=fleet with HOSTS hosts. TRACE=1 prints what
 * happened in each run.
 */
import { watchTables } from './coverage.ts';
import { simulateFleet } from './fleet.ts';
import { simulateSeed } from './seeds.ts';

const { SEEDS = '500', SEED = '1', SCENARIO = 'seeds', HOSTS = '2000', TRACE } = process.env;

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

async function runFleet(hosts: number): Promise<void> {
  const options = { hosts, containers: 50, requestsPerSecond: 100, queue: 20 };
  const began = performance.now();
  const { requests, refused, add, failures, lastRunsAt } = await simulateFleet(options);
  const seconds = (milliseconds: number) => `${(milliseconds / 1_000).toFixed(1)} s`;
  console.log(
    `${hosts} hosts with ${options.containers} containers each boot at once; the grid serves 100 requests a second`,
  );
  console.log(`  requests              ${requests}, ${refused} of them refused`);
  console.log(`  ADD that succeeded    ${seconds(add.p50)} (median), ${seconds(add.p99)} (99th percentile)`);
  console.log(`  ADD that failed       ${failures}, tried again by the kubelet`);
  console.log(`  the last one runs at  ${seconds(lastRunsAt)}`);
  console.log(`  simulated in          ${seconds(performance.now() - began)}`);
}

await (SCENARIO === 'fleet' ? runFleet(Number(HOSTS)) : runSeeds(Number(SEED), Number(SEEDS)));
