/** The built executable runs every command. What a command says is tested in test/integration/modes/operator. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CommandName } from '../../../src/modes/about.ts';
import { type Grid, startGrid } from '../../simulator/grid.ts';
import { commandFile, run } from '../program.ts';
import { OperatorHost } from './operator-host.ts';

let grid: Grid;
let host: OperatorHost;

beforeAll(async () => {
  grid = await startGrid();
  host = new OperatorHost(grid);
  const file = join(host.directory, 'password');
  writeFileSync(file, grid.password, { mode: 0o600 });
  await host.start([`--wapi-password-file=${file}`, '--labels=Site=Paris'], { WAPI_PASSWORD: '' });
  await host.add('container-1');
});
afterAll(async () => {
  await host?.dispose();
  await grid?.stop();
});

/** Those that have a file of their own beside this one. */
type TestedElsewhere = 'doctor' | 'install-plugin' | 'support-bundle';

const runs: Record<Exclude<CommandName, TestedElsewhere>, [string[], RegExp]> = {
  status: [[], /^well\n/],
  leases: [[], /^10\.0\.0\.2 +bound +net-1 +default +container-1 /m],
  whois: [['10.0.0.2'], /^10\.0\.0\.2 in network net-1, .* container container-1, /],
  audit: [[], /^1 lease compared: the grid agrees\n$/],
  'check-config': [[], /^configuration accepted$/m],
  gc: [[], /^nothing to release\n$/],
  // It asks the daemon for its flags, then the grid.
  'ea-defs': [[], /^Site +STRING +no /m],
  release: [['container-1'], /^releasing 1 address\n/],
};

test.each(Object.entries(runs))('%s', async (name, [args, says]) => {
  const { exitCode, stdout, stderr } = await host.command(name, ...args);
  expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: expect.stringMatching(says), stderr: '' });
});

test('the exit status tells a failure, a wrong command line and a missing daemon apart', async () => {
  expect(await host.command('whois', '10.0.0.9')).toMatchObject({ exitCode: 1, stderr: '' });
  expect(await host.type('statsu')).toMatchObject({
    exitCode: 2,
    stderr: 'infoblox-cni-daemon: unknown command "statsu"; did you mean status?\nTry infoblox-cni-daemon help.\n',
  });
  expect(await host.type('status', '--socket-dir=/nonexistent')).toMatchObject({
    exitCode: 3,
    stderr: expect.stringMatching(/^infoblox-cni-daemon status: infoblox-cni-daemon is not running: /),
  });
});

test('the executable under its own name is the command, unless a runtime calls it', async () => {
  const own = (args: string[], env = {}) => run(commandFile, args, env);
  const { exitCode, stdout } = await own(['status', `--socket-dir=${host.socketDir}`]);
  expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^well\n/)]);
  expect((await own(['leases', '--help'])).stdout).toMatch(/^Usage: infoblox-cni leases /m);
  expect((await own([])).stderr).toMatch(/^ {2}infoblox-cni COMMAND /m);
  expect((await own(['status'], { CNI_COMMAND: 'VERSION' })).stdout).toContain('supportedVersions');
});
