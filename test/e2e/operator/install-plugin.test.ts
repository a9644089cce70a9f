/** The built command of the DaemonSet's init container, in directories of its own. */
import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seed } from '../../seed.ts';
import { daemonFile, pluginFile, run } from '../program.ts';
import { Random } from '../reliability/random.ts';

let directory: string;
const bin = () => join(directory, 'bin');
const conf = () => join(directory, 'conf');
const network = () => join(directory, '10-pods.conflist');
const plugin = () => join(bin(), 'infoblox');
const installed = () => join(conf(), '10-pods.conflist');

const built = readFileSync(pluginFile);
const isBuilt = (file: string) => readFileSync(file).equals(built);

const list = (text: object) => `${JSON.stringify({ cniVersion: '1.0.0', name: 'pods', ...text })}\n`;
const bridge = { type: 'bridge', ipam: { type: 'infoblox', subnet: '10.20.0.0/22' } };
const whole = list({ plugins: [bridge, { type: 'portmap' }] });

const args = (...more: string[]) => ['install-plugin', `--bin-dir=${bin()}`, `--conf-dir=${conf()}`, ...more];
const install = (...more: string[]) => run(daemonFile, args(...more), {});

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-install-plugin-'));
  for (const made of [bin(), conf()]) mkdirSync(made);
  for (const main of ['bridge', 'portmap']) writeFileSync(join(bin(), main), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(network(), whole);
});
afterEach(() => rmSync(directory, { recursive: true }));

test('plugin, link and network configuration are installed, and a second run changes nothing', async () => {
  const first = await install(network());
  expect(first).toMatchObject({ exitCode: 0, stderr: '' });
  expect(first.stdout.split('\n')).toEqual([
    expect.stringMatching(/^installed .*\/bin\/infoblox: infoblox-cni \d/),
    `linked ${bin()}/infoblox-cni-daemon to infoblox`,
    `installed ${installed()}`,
    '',
  ]);
  expect(readdirSync(bin()).sort()).toEqual(['bridge', 'infoblox', 'infoblox-cni-daemon', 'portmap']);
  expect([lstatSync(plugin()).isFile(), statSync(plugin()).mode & 0o7777, isBuilt(plugin())]).toEqual([
    true,
    0o755,
    true,
  ]);
  expect(readlinkSync(join(bin(), 'infoblox-cni-daemon'))).toBe('infoblox');
  expect([readFileSync(installed(), 'utf8'), statSync(installed()).mode & 0o7777]).toEqual([whole, 0o644]);
  const { stdout: version } = await run(plugin(), ['--version'], {});
  expect(version).toMatch(/^infoblox-cni \d/);

  const before = statSync(plugin());
  const second = await install(network());
  expect(second).toMatchObject({ exitCode: 0, stderr: '' });
  for (const line of second.stdout.trim().split('\n')) expect(line).toMatch(/ is up to date$/);
  expect(statSync(plugin())).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
});

test('another release is replaced, and another program of that name is kept beside it', async () => {
  const answer = (text: string) => writeFileSync(plugin(), `#!/bin/sh\necho "${text}"\n`, { mode: 0o755 });
  answer('infoblox-cni 0.9.0 (abc123)');
  expect((await install()).exitCode).toBe(0);
  expect(readdirSync(bin()).filter((name) => name.includes('replaced'))).toEqual([]);
  for (const text of ['the original', 'a third one']) {
    rmSync(plugin());
    answer(text);
    expect((await install()).stdout).toContain(`${plugin()} is another program: kept as ${plugin()}.replaced`);
    expect(isBuilt(plugin())).toBe(true);
  }
  const kept = ['infoblox.replaced', 'infoblox.replaced-2'];
  expect(
    readdirSync(bin())
      .filter((name) => name.includes('replaced'))
      .sort(),
  ).toEqual(kept);
  expect(kept.map((name) => readFileSync(join(bin(), name), 'utf8'))).toEqual([
    expect.stringContaining('the original'),
    expect.stringContaining('a third one'),
  ]);
});

test('a file that runtimes would prefer is reported', async () => {
  writeFileSync(join(conf(), '05-other.conflist'), '{}');
  const { exitCode, stdout } = await install(network());
  expect([exitCode, stdout.trim().split('\n').at(-1)]).toEqual([
    0,
    `warning: a runtime that takes the first file of ${conf()} takes 05-other.conflist, not this network`,
  ]);
});

test('a running plugin can be replaced', async () => {
  copyFileSync('/bin/sleep', plugin());
  const running = spawn(plugin(), ['30'], { stdio: 'ignore' });
  try {
    expect((await install()).exitCode).toBe(0);
    expect(isBuilt(plugin())).toBe(true);
    expect(running.exitCode).toBeNull();
  } finally {
    running.kill('SIGKILL');
  }
});

test.runIf(process.getuid?.() === 0).each([
  ['plugins', bin, '--bin-dir'],
  ['network configurations', conf, '--conf-dir'],
])('nothing is changed in a directory of %s that is read-only, and the reason is given', async (_, path, flag) => {
  const script = `mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"`;
  const command = ['sh', '-c', script, 'sh', path(), daemonFile, ...args(network())];
  const refused = await run('/usr/bin/unshare', ['--mount', ...command], { PATH: '/usr/bin:/bin' });
  const why = `cannot write to ${path()}: EROFS: read-only file system`;
  expect(refused).toMatchObject({
    exitCode: 1,
    stdout: '',
    stderr: expect.stringMatching(new RegExp(`${why}.*\\. Mount it writable, or name another one with ${flag}\\.`)),
  });
  expect([existsSync(plugin()), existsSync(installed())]).toEqual([false, false]);
});

describe('killed at any point', () => {
  const former = '#!/bin/sh\necho "infoblox-cni 0.9.0 (abc123)"\n';
  const rounds = 16;

  beforeEach(() => prepare());

  test('the command leaves the former plugin or the complete new one, and no network without its plugin', async () => {
    const random = new Random(seed);
    let { milliseconds } = await install(network());
    // The kills cover the time from before its first action to after its last one, however busy the machine is.
    while ((await killedAfter(milliseconds)) === 'former') milliseconds *= 1.5;
    for (let round = 0; round < rounds; round += 1)
      await killedAfter((milliseconds * (round + random.next())) / rounds);
    expect(await killedAfter(0)).toBe('former');
    expect(await install(network())).toMatchObject({ exitCode: 0 });
    expect([isBuilt(plugin()), readFileSync(installed(), 'utf8')]).toEqual([true, whole]);
  }, 120_000);

  function prepare() {
    for (const emptied of [bin(), conf()]) {
      rmSync(emptied, { recursive: true });
      mkdirSync(emptied);
    }
    for (const main of ['bridge', 'portmap']) writeFileSync(join(bin(), main), '', { mode: 0o755 });
    writeFileSync(plugin(), former, { mode: 0o755 });
  }

  async function killedAfter(milliseconds: number): Promise<'former' | 'renewed'> {
    prepare();
    const child = spawn(daemonFile, args(network()), { env: {}, stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('close', resolve));
    await pause(milliseconds);
    child.kill('SIGKILL');
    await ended;
    return expectWhole(`killed after ${milliseconds} ms`);
  }

  function expectWhole(note: string): 'former' | 'renewed' {
    const isNew = isBuilt(plugin());
    if (!isNew) expect(readFileSync(plugin(), 'utf8'), note).toBe(former);
    expect(statSync(plugin()).mode & 0o7777, note).toBe(0o755);
    if (existsSync(installed())) expect([isNew, readFileSync(installed(), 'utf8')], note).toEqual([true, whole]);
    const known = ['bridge', 'portmap', 'infoblox', 'infoblox-cni-daemon', '10-pods.conflist'];
    const others = [...readdirSync(bin()), ...readdirSync(conf())].filter((name) => !known.includes(name));
    for (const name of others)
      expect(name, note).toMatch(/^\.(infoblox|infoblox-cni-daemon|10-pods\.conflist)\.[0-9a-f]{16}$/);
    return isNew ? 'renewed' : 'former';
  }
});

test.runIf(process.getuid?.() === 0)(
  'a full file system keeps the former file, and no part of the new one',
  async () => {
    const script = `
    mount -t tmpfs -o size=1m,mode=0755 tmpfs '${bin()}' && echo former >'${plugin()}' && chmod 0755 '${plugin()}'
    '${daemonFile}' ${args().join(' ')} && echo installed
    ls -A '${bin()}' && cat '${plugin()}'`;
    const { stdout, stderr } = await run('/usr/bin/unshare', ['--mount', 'sh', '-c', script], {
      PATH: '/usr/bin:/bin',
    });
    expect(stdout).toBe('infoblox\ninfoblox.replaced\nformer\n');
    expect(stderr).toMatch(/install-plugin: cannot go on: ENOSPC.*\. Make room/);
  },
);
