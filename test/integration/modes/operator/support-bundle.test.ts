/** `support-bundle` of a host with and without a daemon. */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseTarGzip } from 'nanotar';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OperatedHost, operate } from '../../../fixture/operator.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';

/** Returns the texts of the archive by name, without its folder. */
async function unpack(file: string): Promise<Map<string, string>> {
  const files = await parseTarGzip(readFileSync(file));
  return new Map(files.map(({ name, text }) => [name.replace('infoblox-cni-support/', ''), text]));
}

let grid: Grid;
let host: OperatedHost;
let file: string;

beforeEach(async () => {
  grid = await startGrid({ password: 'grid-password' });
  host = new OperatedHost(grid);
  file = join(host.directory, 'bundle.tar.gz');
});
afterEach(async () => {
  await host.dispose();
  await grid.stop();
});
const bundle = (...args: readonly string[]) => operate('support-bundle', ...host.flags, `--output=${file}`, ...args);

test('a bundle has the diagnostic files, is readable only by root, and overwrites nothing', async () => {
  await host.start();
  await host.add('c1');
  const { exitCode, stdout, stderr } = await bundle();
  expect([exitCode, stderr]).toEqual([0, '']);
  expect(stdout).toContain(`${file}: `);
  expect(stdout).toMatch(/^look through it before you give it to others$/m);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const files = await unpack(file);
  const json = (name: string) => JSON.parse(files.get(name) ?? '');
  expect(json('versions.json')).toMatchObject({ version: expect.any(String), commit: expect.any(String) });
  expect(json('status.json')).toMatchObject({ node: 'host-a', leases: { bound: 1 } });
  expect(json('leases.json').leases).toMatchObject([{ containerId: 'c1', address: '10.0.0.2' }]);
  expect(json('flags.json')).toMatchObject({ 'node-name': 'host-a', 'wapi-password': '[set]' });
  expect(json('doctor.json')).toContainEqual(expect.objectContaining({ title: 'daemon', level: 'ok' }));
  expect([...files.keys()]).not.toContain('state/state.db');
  const before = readFileSync(file);
  const again = await bundle();
  expect([again.exitCode, again.stderr]).toEqual([
    1,
    expect.stringMatching(/is there already\. Name another file with --output/),
  ]);
  expect(readFileSync(file).equals(before)).toBe(true);
});

test('a bundle gives the reason for missing files if daemon and grid are down', async () => {
  await grid.pause();
  const { exitCode, stdout } = await bundle();
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(
    /^without status\.json: not available: infoblox-cni-daemon is not running: .*\. Start it: systemctl/m,
  );
  expect((await unpack(file)).get('doctor.json')).toMatch(/"title": "TLS",\n +"level": "failure"/);
});

test('a wrong flag of the service is reported, like by every command', async () => {
  const environment = join(host.directory, 'daemon.env');
  writeFileSync(environment, "DAEMON_FLAGS='--wapi-pasword=typed-wrong --grid-host=127.0.0.1'\n");
  const { exitCode, stderr } = await bundle(`--environment-file=${environment}`);
  expect([exitCode, stderr]).toEqual([
    2,
    expect.stringMatching(/DAEMON_FLAGS in .*daemon\.env: unknown flag --wapi-pasword/),
  ]);
  expect(stderr).not.toContain('typed-wrong');
  expect(existsSync(file)).toBe(false);
});

test('the state is included only on request, and never redacted', async () => {
  await host.start();
  await host.add('c1');
  expect((await bundle('--state')).exitCode).toBe(0);
  expect((await unpack(file)).get('state/state.db-wal')).toContain('container=c1');
  const { exitCode, stderr } = await bundle('--state', '--redact');
  expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/the state contains all names/)]);
});

test('a failed bundle leaves nothing', async () => {
  mkdirSync(join(host.directory, 'state/state.db'), { recursive: true });
  expect((await bundle('--state')).exitCode).toBe(1);
  expect(existsSync(file)).toBe(false);
});
