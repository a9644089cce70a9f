import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Verdict } from '../../../../../src/modes/operator/doctor/check.ts';
import { judgeDriver, judgeMainPlugins } from '../../../../../src/modes/operator/doctor/plugins.ts';
import {
  lookAtPlugins,
  type PluginDirectory,
  pluginPaths,
} from '../../../../../src/modes/operator/plugin-directories.ts';

const lines = (verdicts: readonly Verdict[]) => verdicts.map(({ level, message }) => `${level}: ${message}`);

const installed = { driver: 'infoblox', versionLine: 'infoblox-cni 1.0.0 (abc)' };
const bridge = { bridge: { value: ['0.4.0', '1.0.0'] } };
const ours = { value: installed.versionLine };

test.each<[string, PluginDirectory[], string[]]>([
  ['beside bridge', [{ path: '/a', driver: ours, mains: bridge }], ['ok: /a/infoblox is infoblox-cni 1.0.0 (abc)']],
  [
    'in a directory of its own',
    [{ path: '/rkt', driver: ours, mains: {} }],
    ['ok: /rkt/infoblox is infoblox-cni 1.0.0 (abc)'],
  ],
  ['nowhere', [{ path: '/a', mains: bridge }], ['failure: there is bridge in /a, but no infoblox beside it']],
  [
    'in one of two directories',
    [
      { path: '/a', driver: ours, mains: bridge },
      { path: '/b', mains: bridge },
    ],
    ['ok: /a/infoblox is infoblox-cni 1.0.0 (abc)', 'warning: there is bridge in /b, but no infoblox beside it'],
  ],
  [
    'of another release',
    [{ path: '/a', driver: { value: 'infoblox-cni 0.9.0 (old)' }, mains: bridge }],
    ['failure: /a/infoblox is infoblox-cni 0.9.0 (old), this is infoblox-cni 1.0.0 (abc)'],
  ],
  [
    'of another driver',
    [{ path: '/a', driver: { value: '' }, mains: bridge }],
    ['failure: /a/infoblox is not this driver'],
  ],
  [
    'that does not run',
    [{ path: '/a', driver: { error: 'spawn EACCES' }, mains: bridge }],
    ['failure: cannot run /a/infoblox: spawn EACCES'],
  ],
  ['without main plugins', [{ path: '/a', mains: {} }], ['failure: no bridge in /a, and no infoblox']],
  ['without any directory', [], ['failure: there is no plugin directory, and no infoblox']],
])('an IPAM plugin %s', (_, directories, expected) => {
  const verdicts = judgeDriver(directories, installed);
  expect(lines(verdicts)).toEqual(expected);
  for (const { level, fix } of verdicts)
    expect(fix).toEqual(
      level === 'ok'
        ? null
        : expect.stringMatching(/run infoblox-cni install-plugin --bin-dir=\/|install the CNI plugins/),
    );
});

const old = { path: '/old', mains: { bridge: { value: ['0.4.0'] }, ptp: { value: ['0.4.0', '1.0.0'] } } };
const recent = { path: '/new', mains: { bridge: { value: ['0.4.0', '1.0.0', '1.1.0'] } } };
const use = (type: string, cniVersion: string) => ({ file: 'a.conf', type, cniVersion });

test.each<[string, PluginDirectory[], ReturnType<typeof use>[], string[]]>([
  ['without a configuration', [old], [], ['ok: bridge in /old: CNI up to 0.4.0', 'ok: ptp in /old: CNI up to 1.0.0']],
  ['that are new enough', [recent], [use('bridge', '1.1.0')], ['ok: bridge in /new: CNI up to 1.1.0']],
  [
    'one of which is too old',
    [old, recent],
    [use('bridge', '1.0.0')],
    [
      'warning: a.conf asks for CNI 1.0.0, which /old/bridge does not speak',
      ...[
        'ok: bridge in /old: CNI up to 0.4.0',
        'ok: ptp in /old: CNI up to 1.0.0',
        'ok: bridge in /new: CNI up to 1.1.0',
      ],
    ],
  ],
  [
    'that are too old',
    [{ path: '/old', mains: { ptp: old.mains.ptp } }],
    [use('ptp', '1.1.0')],
    ['failure: a.conf asks for CNI 1.1.0, which /old/ptp does not speak', 'ok: ptp in /old: CNI up to 1.0.0'],
  ],
  [
    'that are missing',
    [recent],
    [use('sriov', '1.0.0')],
    ['failure: a.conf wants the main plugin sriov, which is not in /new', 'ok: bridge in /new: CNI up to 1.1.0'],
  ],
  [
    'that do not answer',
    [{ path: '/new', mains: { bridge: { error: 'spawn EACCES' } } }],
    [use('bridge', '1.0.0')],
    ['warning: cannot ask /new/bridge for its version: spawn EACCES'],
  ],
])('main plugins %s', (_, directories, uses, expected) => {
  const verdicts = judgeMainPlugins(directories, uses);
  expect(lines(verdicts)).toEqual(expected);
  for (const { level, fix } of verdicts) expect(fix === null).toBe(level === 'ok');
});

describe('a directory', () => {
  const directory = mkdtempSync(join(tmpdir(), 'doctor-'));
  const program = (name: string, text: string) => {
    writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(directory, name), 0o755);
  };
  const look = () =>
    lookAtPlugins(directory, { driver: 'infoblox', types: ['sriov'], signal: AbortSignal.timeout(5_000) });

  test('has its plugins asked for their versions', async () => {
    program('infoblox', 'echo "infoblox-cni $1 (abc)"; echo more');
    program('bridge', '[ "$CNI_COMMAND" = VERSION ] && cat >/dev/null && echo \'{"supportedVersions":["1.0.0"]}\'');
    program('ptp', 'echo "cannot"; exit 3');
    program('sriov', 'echo hello');
    program('host-local', 'echo never asked');
    expect(await look()).toMatchObject({
      driver: { value: 'infoblox-cni --version (abc)' },
      mains: {
        bridge: { value: ['1.0.0'] },
        ptp: { error: expect.stringContaining('ptp') },
        sriov: { error: 'it does not answer VERSION as a CNI plugin does' },
      },
    });
    expect(Object.keys((await look()).mains)).not.toContain('host-local');
  });

  test('that others can write to is not trusted, and nothing in it is run', async () => {
    program('infoblox', `touch ${join(directory, 'ran')}`);
    chmodSync(join(directory, 'infoblox'), 0o777);
    expect((await look()).driver).toEqual({ error: expect.stringMatching(/is writable by users.*: run chmod go-w /) });
  });
});

test('is taken from CNI_PATH, or from the usual ones', () => {
  expect(pluginPaths({ CNI_PATH: '/a::/b' })).toEqual(['/a', '/b']);
  for (const path of pluginPaths({})) expect(path).toMatch(/cni|rkt/);
});
