/** Replays the recorded process runs of the reference with the built executable, a daemon and a grid. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Environment, execCases, expectAsVector, outcomeOf } from '../fixture/cni-vectors.ts';
import { type Grid, startGrid } from '../simulator/grid.ts';
import { BuiltHost } from './built-host.ts';
import { pluginFile, run } from './program.ts';

const zeroMac = '00:00:00:00:00:00';
/** The recorded stub's answer to every ADD. */
const address = '10.9.0.5/24';
const gateway = '10.9.0.1';

let grid: Grid;
let host: BuiltHost;

beforeAll(async () => {
  grid = await startGrid();
  grid.add('network', { network: '10.9.0.0/24' });
  for (const taken of ['10.9.0.2', '10.9.0.3', '10.9.0.4']) grid.add('fixedaddress', { ipv4addr: taken, mac: zeroMac });
  host = await new BuiltHost(grid).start();
  await host.daemon.says('grid available');
});
afterAll(async () => {
  await host?.dispose();
  await grid?.stop();
});

/** All successes, and a failure of each command with each code: test/unit/cni/exec.test.ts replays every case, without a process. */
const replayed = execCases.filter(({ env, outcome }, index) => {
  const first = execCases.findIndex(
    (other) => other.env.CNI_COMMAND === env.CNI_COMMAND && other.outcome.code === outcome.code,
  );
  return outcome.code === undefined || index === first;
});

describe('a call has the same outcome as with the reference', () => {
  test.each(replayed)('$name', async ({ name, env, stdin, outcome }) => {
    if (env.CNI_COMMAND === 'CHECK') await holdAddress();
    const { exitCode, stdout, stderr } = await run(pluginFile, [], env, { pipe: withBackend(stdin, env) });
    expect(exitCode, stderr).toBeDefined();
    expectAsVector('exec', name, outcomeOf(exitCode ?? -1, stdout.trimEnd()), outcome, 'program');
  });
});

/** Adds what this plugin needs beyond the recorded stub. The rest of stdin stays byte for byte. */
function withBackend(stdin: string, env: Environment): string {
  const ours = { 'socket-dir': host.socketDir, subnet: '10.9.0.0/24', gateway };
  const prevResult = env.CNI_COMMAND === 'CHECK' ? `"prevResult": ${JSON.stringify({ ips: [{ address }] })}, ` : '';
  const recorded = '"ipam": {"type": "infoblox"';
  return stdin.replace(recorded, `${prevResult}${recorded}, ${JSON.stringify(ours).slice(1, -1)}`);
}

/** Adds the attachment of all recorded calls, which CHECK needs. */
async function holdAddress(): Promise<void> {
  const ipam = { subnet: '10.9.0.0/24', gateway };
  const held = await host.add('c0ffee', { config: { name: 'net' }, ipam, netns: '/var/run/netns/none' });
  expect(`${held}/24`).toBe(address);
}
