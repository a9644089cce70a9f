/**
 * Safety conditions that `make mutations` removes from a copy of the source, one by one. Each time the named test fails.
 * test/unit/docs/mutations.test.ts compares the list with the source and with docs/reliability.md.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Mutation {
  /** The broken promise, as a sentence. */
  readonly condition: string;
  /** Title of the simulation test that then fails. */
  readonly fails: string;
  readonly file: string;
  /** A text that the file contains once, and that is replaced. */
  readonly text: string;
  readonly instead: string;
}

const lease = 'src/infoblox/lease';

// biome-ignore format: a table reads as a table
export const mutations: readonly Mutation[] = [
  { condition: 'An ADD is durable before its first write to the grid',
    fails: 'killed during an ADD whose create is carried out late',
    file: `${lease}/obtain.ts`, text: 'store.apply(mark, (lease) => begin(lease, beginning, moment()));\n      await store.durable();',
    instead: 'store.apply(mark, (lease) => begin(lease, beginning, moment()));' },
  { condition: 'A bound address is durable before the ADD is answered',
    fails: 'killed during an ADD on a known network',
    file: `${lease}/add.ts`, text: 'await store.durable();\n    if (marks.some(',
    instead: 'if (marks.some(' },
  { condition: 'A release is durable before the DEL is answered',
    fails: 'killed during a DEL',
    file: `${lease}/release.ts`, text: "{ cause: 'DEL', at });\n  await store.durable();",
    instead: "{ cause: 'DEL', at });" },
  { condition: 'The doubt about a delete is durable before the delete is sent',
    fails: 'killed during a DEL whose delete is carried out late',
    file: `${lease}/doubt.ts`, text: 'deleteInDoubt(one, moment()));\n  await store.durable();\n  try {\n    await send();',
    instead: 'deleteInDoubt(one, moment()));\n  try {\n    await send();' },
  { condition: 'A delete in doubt is not sent again',
    fails: 'a delete whose answer was lost is not repeated, and the next container at the address keeps it',
    file: `${lease}/doubt.ts`, text: '(isOpen(error) ? deleteInDoubt(one, moment()) : deleteAnswered(one, before))',
    instead: 'deleteAnswered(one, before)' },
  { condition: 'A delete stays in doubt across a restart',
    fails: 'killed during a DEL whose delete is carried out late',
    file: `${lease}/doubt.ts`, text: 'deleteInDoubtUntil: deleteInDoubtUntil === null ? null : end,',
    instead: 'deleteInDoubtUntil: null,' },
  { condition: 'The create of an abandoned ADD is in doubt',
    fails: 'killed during an ADD whose create is carried out late',
    file: `${lease}/lease.ts`, text: "startRelease(lease.phase === 'pending' ? createInDoubt(lease, moment) : lease, by, moment)",
    instead: 'startRelease(lease, by, moment)' },
  { condition: 'A write by reference leaves within a second of its look',
    fails: 'a delete whose connection comes up late is not sent: a person may have the address by then',
    file: 'src/infoblox/wapi/session.ts', text: '...(seen && { leaveBy: seen.answeredAt + maxSightingAgeMs }),',
    instead: '' },
  { condition: 'A GC keeps what an ADD was answered with since the call',
    fails: 'containers that start during a slow GC keep their addresses, and dead ones lose theirs',
    file: `${lease}/endings.ts`, text: "toldSince(since) ? 'told since' : undefined",
    instead: "toldSince(Number.POSITIVE_INFINITY) ? 'told since' : undefined" },
  { condition: 'A container is dead when its namespace was gone in two looks',
    fails: 'a namespace is out of sight twice for less than the grace: the container keeps its address',
    file: `${lease}/reaper.ts`, text: 'first === now || now.at - first.at < this.#graceMs',
    instead: 'false' },
  { condition: 'An address of the host goes to no container',
    fails: 'the grid gives out an address of the host: the host reserves it, and the container gets the next one',
    file: `${lease}/observe.ts`, text: 'const isOwn = await host.isOwnAddress(address);',
    instead: 'const isOwn = false;' },
  { condition: 'The gateway goes to no container, even if its reservation was lost',
    fails: 'killed during an ADD that is handed the gateway',
    file: `${lease}/observe.ts`, text: 'if (isHere && address === network.kept) return gatewayMark(name);',
    instead: '' },
  { condition: 'The address of a live container goes to no other, even if its reservation was lost',
    fails: 'a late create takes the address of a container that has lost its reservation: it is given back',
    file: `${lease}/observe.ts`, text: 'owner: store.boundAt(where, address, mark)?.mark }',
    instead: 'owner: undefined }' },
  { condition: 'A state of another machine is not used',
    fails: 'a clone with a copy of the state leaves the addresses of the original alone, and serves under its own name',
    file: `${lease}/store/owner.ts`, text: 'strangerOf(recorded: Owner, present: Owner): string | undefined {',
    instead: 'strangerOf(recorded: Owner, present: Owner): string | undefined {\n  if (recorded !== present) return undefined;' },
  { condition: 'A view with addresses of this host is not created again after it was renamed',
    fails: 'a view is renamed under live containers: no host that used it creates it again, and DEL finds them',
    file: 'src/infoblox/network/views.ts', text: 'if (elsewhere === undefined) return exists;',
    instead: 'return exists;' },
  { condition: 'A host confirms a network by name only if it is the only pending one',
    fails: 'a host creates a lower network while another one confirms its own: they agree on one',
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
