/** `make bench`: measures what infoblox-cni costs, compared side by side in one run. */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineCommand, runMain } from 'citty';
import { requireBuild } from './built.ts';
import type { Measurement, Row } from './figure.ts';
import { blocks } from './figures/blocks.ts';
import { bursts } from './figures/bursts.ts';
import { durability } from './figures/durability.ts';
import { hostLocal } from './figures/host-local.ts';
import { latency } from './figures/latency.ts';
import { manyLeases } from './figures/many-leases.ts';
import { owedReleases } from './figures/owed-releases.ts';
import { requests } from './figures/requests.ts';
import { size } from './figures/size.ts';
import { startUp } from './figures/start-up.ts';
import { warmAdd } from './figures/warm-add.ts';
import { table } from './table.ts';

const measurements: readonly Measurement[] = [
  startUp,
  requests,
  latency,
  blocks,
  bursts,
  size,
  durability,
  manyLeases,
  owedReleases,
  hostLocal,
  warmAdd,
];

const command = defineCommand({
  meta: { name: 'bench', description: 'What infoblox-cni costs; needs "make build" first' },
  args: {
    quick: { type: 'boolean', description: 'fewer repetitions, for a rough result' },
    only: {
      type: 'string',
      description: `only these, comma-separated: ${measurements.map(({ name }) => name).join(', ')}`,
    },
    json: { type: 'boolean', description: 'print JSON instead of the table' },
    strict: { type: 'boolean', description: 'exit with 1 if a target is missed' },
  },
  async run({ args }) {
    const chosen = choose(args.only);
    requireBuild();
    makeRoom();
    const begin = performance.now();
    const rows: Row[] = [];
    for (const measurement of chosen) {
      rows.push(
        ...(await measurement
          .run({ quick: args.quick === true, progress })
          .catch((error) => [failed(measurement, error)])),
      );
    }
    const missed = rows.filter((row) => row.met === false).length;
    if (args.json) console.log(JSON.stringify({ machine: machine(), rows }, undefined, 2));
    else {
      for (const line of table(rows)) console.log(line);
      console.log('');
      for (const { name, about } of chosen) console.log(wrapped(`${name}: ${about}`));
      const seconds = Math.round((performance.now() - begin) / 1000);
      console.log(`\n${missed === 0 ? 'All targets met' : `${missed} MISSED`}, in ${seconds} s, on ${machine()}.`);
    }
    if (args.strict && missed > 0) process.exitCode = 1;
  },
});

/** Reports a failed measurement as missed, so that the others go on. */
function failed({ name }: Measurement, error: unknown): Row {
  const text = error instanceof Error ? error.message : String(error);
  return { figure: `${name} cannot be measured`, target: 'measured', measured: text.replace(/\s+/g, ' '), met: false };
}

function choose(only: string | undefined): readonly Measurement[] {
  if (only === undefined) return measurements;
  return only.split(',').map((name) => {
    const found = measurements.find((measurement) => measurement.name === name.trim());
    if (found === undefined) {
      console.error(`bench: --only ${name}: must be one of ${measurements.map(({ name }) => name).join(', ')}`);
      process.exit(2);
    }
    return found;
  });
}

/**
 * Makes the directory for all temporary files, removed at exit even after an interruption. Not on a tmpfs: there a
 * synced write costs nothing, and figures for durable state would mean nothing.
 */
function makeRoom(): void {
  const tmpfs = 0x01021994;
  const parent = statfsSync(tmpdir()).type === tmpfs ? '/var/tmp' : tmpdir();
  const room = mkdtempSync(join(parent, 'infoblox-cni-bench-'));
  process.env.TMPDIR = room;
  process.on('exit', () => rmSync(room, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
}

function machine(): string {
  const load = loadavg()[0]?.toFixed(1);
  return `${cpus().length} cores, Node ${process.versions.node}, load ${load}`;
}

function progress(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}

function wrapped(text: string): string {
  return text.replace(/(.{1,118})(?: |$)/g, '$1\n  ').trimEnd();
}

await runMain(command);
