/**
 * Safety conditions that `make mutations` takes out of a copy of the source, one by one: each time the test that is named fails.
 * test/unit/docs/mutations.test.ts compares the list with the source and with docs/reliability.md.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Mutation {
  /** What holds no longer, as a sentence. */
  readonly condition: string;
  /** The test of the simulation that fails then. */
  readonly fails: string;
  readonly file: string;
  /** Stands in the file once, and is replaced. */
  readonly text: string;
  readonly instead: string;
}

const lease = 'src/infoblox/lease';

// biome-ignore format: a table reads as a table
export const mutations: readonly Mutation[] = [
  { condition: 'That an ADD has begun is durable before its first write to the grid',
    fails: 'killed during an ADD whose create is carried out late',
    file: `${lease}/obtain.ts`, text: 'store.apply(mark, (lease) => begin(lease, beginning, moment()));\n      await store.durable();',
    instead: 'store.apply(mark, (lease) => begin(lease, beginning, moment()));' },
  { condition: 'That an address is bound is durable before the ADD is answered',
    fails: 'killed during an ADD on a known network',
    file: `${lease}/add.ts`, text: 'await store.durable();\n    if (marks.some(',
    instead: 'if (marks.some(' },
  { condition: 'That a lease is being released is durable before the DEL is answered',
    fails: 'killed during a DEL',
    file: `${lease}/release.ts`, text: "{ cause: 'DEL', at });\n  await store.durable();",
    instead: "{ cause: 'DEL', at });" },
  { condition: 'The doubt about a delete is durable before the delete is sent',
    fails: 'killed during a DEL whose delete is carried out late',
    file: `${lease}/execute.ts`, text: 'deleteInDoubt(current, moment()));\n  await store.durable();\n  try {\n    await send({ seen });',
    instead: 'deleteInDoubt(current, moment()));\n  try {\n    await send({ seen });' },
  { condition: 'A delete without an answer is not sent again while it may still be carried out',
    fails: 'a delete whose answer was lost is not sent again while it may still be carried out, and takes nothing from the next one there',
    file: `${lease}/execute.ts`, text: '(isLost ? deleteInDoubt(current, moment()) : deleteAnswered(current, lease))',
    instead: 'deleteAnswered(current, lease)' },
  { condition: 'A delete that an earlier run of the daemon has sent may still be carried out',
    fails: 'killed during a DEL whose delete is carried out late',
    file: `${lease}/lease.ts`, text: 'deleteInDoubtUntil: lease.deleteInDoubtUntil === null ? null : end,',
    instead: 'deleteInDoubtUntil: null,' },
  { condition: 'A create of an ADD that was given up may still be carried out',
    fails: 'killed during an ADD whose create is carried out late',
    file: `${lease}/lease.ts`, text: "startRelease(lease.phase === 'pending' ? createInDoubt(lease, moment) : lease, by, moment)",
    instead: 'startRelease(lease, by, moment)' },
  { condition: 'A write by reference leaves within a second of the look that it depends on',
    fails: 'the connection for a delete comes up so late that a person has the address by then: it is not sent',
    file: 'src/infoblox/wapi/session.ts', text: '...(seen && { leaveBy: seen.answeredAt + sightingMaxAgeMs }),',
    instead: '' },
  { condition: 'A GC releases nothing that an ADD was answered with since the call',
    fails: 'a GC of the runtime lists slowly, and containers start meanwhile: they keep their addresses, and the dead goes',
    file: `${lease}/endings.ts`, text: "toldSince(since) ? 'told since' : undefined",
    instead: "toldSince(Number.POSITIVE_INFINITY) ? 'told since' : undefined" },
  { condition: 'A namespace has to be gone on two looks before its container counts as dead',
    fails: 'a namespace cannot be seen for less than the grace of the reaper, twice: the container keeps its address',
    file: `${lease}/reaper.ts`, text: 'first === now || now.at - first.at < this.#graceMs',
    instead: 'false' },
  { condition: 'What the grid gives out of the addresses of the host is given to no container',
    fails: 'the grid gives out an address of the host itself: it is reserved for the host, and the container gets the next one',
    file: `${lease}/observe.ts`, text: 'const isOwn = await host.isOwnAddress(object.address);',
    instead: 'const isOwn = false;' },
  { condition: 'The gateway goes to no container, though the grid has lost its reservation',
    fails: 'killed during an ADD that is handed the gateway',
    file: `${lease}/observe.ts`, text: 'if (isHere && address === network.kept) return gatewayMark(name);',
    instead: '' },
  { condition: 'An address that a container lives on goes to no other, though the grid has lost its reservation',
    fails: 'a late create of an ADD that has its address takes that of another container, which has lost it: it is given back',
    file: `${lease}/observe.ts`, text: 'owner: store.boundAt(where, address, mark)?.mark }',
    instead: 'owner: undefined }' },
  { condition: 'A state of another machine is not used',
    fails: 'a clone of a host starts with a copy of its state: it leaves alone what the original has, and serves under its own name',
    file: `${lease}/store/owner.ts`, text: 'strangerOf(recorded: Owner, present: Owner): string | undefined {',
    instead: 'strangerOf(recorded: Owner, present: Owner): string | undefined {\n  if (recorded !== present) return undefined;' },
  { condition: 'A view in which this host has addresses is not made again under its old name',
    fails: 'a view is renamed while containers have addresses in it: no host that has used it makes it again, and DEL finds what is in it',
    file: 'src/infoblox/network/views.ts', text: 'if (elsewhere === undefined) return exists;',
    instead: 'return exists;' },
  { condition: 'A network by name is confirmed only by a host that sees no other being set up',
    fails: 'a place below the network that a host is confirming becomes free, and another host makes one there: they agree on one',
    file: 'src/infoblox/network/network-by-name.ts', text: '(isMine(lowest) && others.length === 0)',
    instead: 'isMine(lowest)' },
];

/** Runs one test in a directory. @returns whether it ran and failed */
function hasFailed(directory: string, test: string): boolean {
  const report = join(directory, 'report.json');
  const exactly = `^${test.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`;
  const what = ['run', '--project', 'simulation', '-t', exactly, '--reporter=json', `--outputFile=${report}`];
  spawnSync('vitest', what, { cwd: directory });
  const { numFailedTests, numPassedTests } = JSON.parse(readFileSync(report, 'utf8'));
  rmSync(report);
  return numFailedTests === 1 && numPassedTests === 0;
}

function main(): void {
  const project = join(import.meta.dirname, '..');
  const copy = mkdtempSync(join(tmpdir(), 'mutations-'));
  for (const part of ['src', 'test', 'package.json', 'tsconfig.json', 'vitest.config.ts']) {
    cpSync(join(project, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(project, 'node_modules'), join(copy, 'node_modules'));
  for (const { condition, fails, file, text, instead } of mutations) {
    const source = readFileSync(join(project, file), 'utf8');
    const [before, after, ...more] = source.split(text);
    const isThere = after !== undefined && more.length === 0;
    writeFileSync(join(copy, file), `${before}${instead}${after}`);
    const outcome = !isThere ? 'NOT FOUND' : hasFailed(copy, fails) ? 'killed' : 'SURVIVED';
    writeFileSync(join(copy, file), source);
    if (outcome !== 'killed') process.exitCode = 1;
    process.stdout.write(`${outcome.padEnd(9)} ${condition}\n`);
  }
  rmSync(copy, { recursive: true });
}

if (import.meta.main) main();
