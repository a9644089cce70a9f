/** `doctor` of the built executable with real plugins, as root and as another user. */
import { existsSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Finding } from '../../../src/modes/operator/doctor/check.ts';
import { type Grid, startGrid } from '../../simulator/grid.ts';
import { daemonFile, dist, run } from '../program.ts';
import { OperatorHost } from './operator-host.ts';

const mainPlugins = ['/usr/lib/cni', '/opt/cni/bin'].find((path) => existsSync(join(path, 'bridge'))) ?? '';
let grid: Grid;
let host: OperatorHost;

/** The directory of plugins after `make install`. */
const plugins = () => join(host.directory, 'plugins');

beforeAll(async () => {
  grid = await startGrid({ password: 'tr0ub4dor-3' });
  grid.add('network', { network: '10.0.0.0/24' });
  host = await new OperatorHost(grid).start();
  mkdirSync(plugins());
  for (const name of ['bridge', 'macvlan', 'ptp']) symlinkSync(join(mainPlugins, name), join(plugins(), name));
  linkSync(join(dist, 'infoblox-cni'), join(plugins(), 'infoblox'));
});
afterAll(async () => {
  await host?.dispose();
  await grid?.stop();
});

test('a healthy host is described by group, without the password', async () => {
  await host.add('c1');
  const netconf = join(host.directory, 'net.conf');
  writeFileSync(netconf, JSON.stringify(host.config({ config: { cniVersion: '1.0.0', type: 'bridge' } })));
  const env = { WAPI_PASSWORD: grid.password, CNI_PATH: plugins() };
  const { stdout, exitCode } = await run(daemonFile, ['doctor', ...host.flags, netconf], env);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^host\n {2}ok {7}flags: accepted\n {2}ok {7}user: root\n/);
  expect(stdout).toMatch(/^ {2}ok {7}daemon: infoblox-cni .* answers, running for \d+s$/m);
  expect(stdout).toMatch(/^ {2}ok {7}free addresses: 2 of 254 addresses of 10\.0\.0\.0\/24 are used$/m);
  expect(stdout).toMatch(/^ {2}ok {7}gateway: 10\.0\.0\.1 is reserved$/m);
  expect(stdout).toMatch(/\n\n0 failures, 0 warnings, \d+ ok, 1 skipped\n$/);
  expect(stdout).not.toContain(grid.password);
});

test.runIf(process.getuid?.() === 0)('a user without the needed rights gets no follow-up failures', async () => {
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', daemonFile];
  const doctor = ['doctor', '--json', ...host.flags, '--ssl-verify=pin'];
  const { exitCode, stdout } = await run('setpriv', [...nobody, ...doctor], { WAPI_PASSWORD: grid.password });
  const { findings }: { findings: Finding[] } = JSON.parse(stdout);
  const failed = findings.filter(({ group, level }) => level === 'failure' && group !== 'plugins');
  expect([exitCode, failed]).toEqual([
    1,
    [expect.objectContaining({ title: 'user', fix: 'run this command as root, for example with sudo' })],
  ]);
  const skipped = findings.filter(({ message }) => message === 'user failed').map(({ title }) => title);
  expect(skipped).toContain('credentials');
});
