/** `install-plugin` changes nothing if something is wrong, and says what. Its installations are in test/e2e/operator. */
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CommandRun, operate } from '../../../fixture/operator.ts';

let directory: string;
const bin = () => join(directory, 'bin');
const conf = () => join(directory, 'conf');
const network = () => join(directory, '10-pods.conflist');

const list = (text: object) => `${JSON.stringify({ cniVersion: '1.0.0', name: 'pods', ...text })}\n`;
const bridge = { type: 'bridge', ipam: { type: 'infoblox', subnet: '10.20.0.0/22' } };
const whole = list({ plugins: [bridge, { type: 'portmap' }] });

const install = (...files: string[]) =>
  operate('install-plugin', `--bin-dir=${bin()}`, `--conf-dir=${conf()}`, ...files);

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-install-plugin-'));
  for (const made of [bin(), conf()]) mkdirSync(made);
  for (const main of ['bridge', 'portmap']) writeFileSync(join(bin(), main), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(network(), whole);
});
afterEach(() => rmSync(directory, { recursive: true }));

test.each<[string, string, RegExp]>([
  ['a file that is not JSON', '{', /is not valid JSON/],
  [
    'a network that does not use the driver',
    list({ plugins: [{ type: 'bridge' }] }),
    /no plugin in it uses the IPAM plugin infoblox/,
  ],
  [
    'a mistyped key',
    list({ plugins: [{ ...bridge, ipam: { ...bridge.ipam, subnett: '10.0.0.0/8' } }] }),
    /subnett.*subnet/s,
  ],
  [
    'missing plugins of its chain',
    list({ plugins: [bridge, { type: 'sbr' }, { type: 'tuning' }] }),
    /names sbr, tuning, not in .*\/bin\. Install these plugins first/,
  ],
])('nothing is changed for %s, and the reason is given', async (_, text, message) => {
  writeFileSync(network(), text);
  await expectRefusal(await install(network()), 1, message);
});

test('nothing is changed for a file name that runtimes do not read', async () => {
  const file = join(directory, 'pods.yaml');
  writeFileSync(file, whole);
  await expectRefusal(await install(file), 2, /must end in \.conf, \.conflist or \.json/);
});

test('nothing is changed for a missing directory', async () => {
  rmSync(conf(), { recursive: true });
  await expectRefusal(
    await install(network()),
    1,
    /there is no directory .*\/conf\. Make it, or name another one with --conf-dir/,
  );
});

test('nothing is changed for a directory that others can change', async () => {
  chmodSync(bin(), 0o777);
  await expectRefusal(await install(), 1, /is writable by users other than root .*\. Run chmod go-w /);
  chmodSync(bin(), 0o755);
  chownSync(bin(), 1001, 1001);
  await expectRefusal(await install(), 1, /belongs to uid 1001, not to root\. Run chown root /);
});

async function expectRefusal(run: CommandRun, status: number, message: RegExp) {
  expect(run).toMatchObject({ exitCode: status, stdout: '', stderr: expect.stringMatching(message) });
  expect(readdirSync(bin()).sort()).toEqual(['bridge', 'portmap']);
  expect(existsSync(conf()) ? readdirSync(conf()) : []).toEqual([]);
}
