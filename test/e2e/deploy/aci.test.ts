/** The App Container Image of `make aci` follows the specification: spec/aci.md and spec/types.md of appc/spec 0.8.11. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join, normalize } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { dist, requireCurrent } from '../program.ts';

const file = join(dist, 'infoblox-cni-daemon.aci');
const isLeftOut = !existsSync(file) && process.env.CI === undefined;
if (isLeftOut) process.stderr.write('left out: the rules for the ACI: none here, which "make aci" writes\n');

/** AC Identifier and AC Name, spec/types.md. */
const identifier = /^[a-z0-9]+([-._~/][a-z0-9]+)*$/;
const acName = /^[a-z0-9]+([-][a-z0-9]+)*$/;
/** SemVer v2.0.0. */
const semver = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;

interface Named {
  readonly name: string;
  readonly value: unknown;
}

interface Entry {
  readonly type: string;
  readonly name: string;
  readonly target: string;
}

function expectUniqueNames(list: readonly { readonly name: string }[], pattern: RegExp): void {
  for (const { name } of list) expect(name).toMatch(pattern);
  expect(new Set(list.map(({ name }) => name)).size).toBe(list.length);
}

describe.skipIf(isLeftOut)('the ACI', () => {
  let entries: Entry[];
  let manifest: Record<string, unknown>;
  let app: Record<string, unknown>;
  const named = (key: string, from = manifest) => from[key] as readonly Named[];

  beforeAll(() => {
    requireCurrent(file);
    const listed = spawnSync('tar', ['--list', '--verbose', '--gzip', '--file', file], { encoding: 'utf8' });
    expect(listed).toMatchObject({ status: 0, stderr: '' });
    entries = listed.stdout.split('\n').flatMap((line) => {
      const [, type = '', name = '', target = ''] = /^(.)(?:\S+ +){5}(\S+?)\/?(?: -> (.*))?$/.exec(line) ?? [];
      return name === '' ? [] : [{ type, name, target }];
    });
    const extract = ['--extract', '--to-stdout', '--occurrence', '--gzip', '--file', file, 'manifest'];
    const { stdout } = spawnSync('tar', extract, { encoding: 'utf8' });
    manifest = JSON.parse(stdout);
    app = manifest.app as Record<string, unknown>;
  });

  it('is a tar file with only a manifest and a root file system, and no duplicates', () => {
    expect(basename(file)).toMatch(/\.aci$/);
    const names = entries.map(({ name }) => name);
    expect(entries).toContainEqual({ type: '-', name: 'manifest', target: '' });
    expect(entries).toContainEqual({ type: 'd', name: 'rootfs', target: '' });
    expect(names.filter((name) => name !== 'manifest' && name !== 'rootfs' && !name.startsWith('rootfs/'))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThan(40);
  });

  it('has no path or link that leads out of its root file system', () => {
    for (const { name, target } of entries) {
      expect(normalize(name)).toBe(name);
      if (target !== '') expect(normalize(join(name, '..', target))).toMatch(/^rootfs\//);
    }
    expect(entries.filter(({ type }) => !['-', 'd', 'l'].includes(type))).toEqual([]);
  });

  it('has the required keys with the right types', () => {
    expect(manifest).toMatchObject({ acKind: 'ImageManifest', acVersion: '0.8.11', name: expect.any(String) });
    expect(manifest.acVersion).toMatch(semver);
    expect(manifest.name).toMatch(identifier);
    const optional = ['labels', 'app', 'dependencies', 'pathWhitelist', 'annotations'];
    expect(Object.keys(manifest).filter((key) => !['acKind', 'acVersion', 'name', ...optional].includes(key))).toEqual(
      [],
    );
  });

  it('has unique labels, including version, os, and an arch of that os', () => {
    expectUniqueNames(named('labels'), identifier);
    for (const { value } of named('labels')) expect(value).toBeTypeOf('string');
    const labels = Object.fromEntries(named('labels').map(({ name, value }) => [name, value]));
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8'));
    expect(labels).toEqual({ version, os: 'linux', arch: process.arch === 'x64' ? 'amd64' : 'aarch64' });
    expect(labels).not.toHaveProperty('name');
  });

  it('has unique annotations, which are texts', () => {
    expectUniqueNames(named('annotations'), identifier);
    for (const { value } of named('annotations')) expect(value).toBeTypeOf('string');
  });

  it('runs a program that it contains, as a user and a group that it names', () => {
    const [program = '', ...args] = app.exec as string[];
    expect(program).toMatch(/^\//);
    expect(args).toEqual([]);
    expect(entries).toContainEqual({ type: 'l', name: `rootfs${program}`, target: 'infoblox-cni' });
    expect(app).toMatchObject({ user: '0', group: '0', workingDirectory: '/' });
    for (const { name, value } of named('environment', app)) {
      expect(name).toMatch(/^[A-Za-z0-9_]+$/);
      expect(value).toBeTypeOf('string');
    }
    const known = ['exec', 'user', 'group', 'workingDirectory', 'environment', 'mountPoints'];
    expect(Object.keys(app).sort()).toEqual(known.sort());
  });

  it('has a mount point for each directory that the rkt script mounts', () => {
    const points = app.mountPoints as { name: string; path: string; readOnly: boolean }[];
    expectUniqueNames(points, acName);
    for (const { path, readOnly } of points) {
      expect(readOnly).toBeTypeOf('boolean');
      expect(entries).toContainEqual({ type: 'd', name: `rootfs${path}`, target: '' });
    }
    const script = readFileSync(join(import.meta.dirname, '../../../deploy/run-rkt-daemon.sh'), 'utf8');
    const volumes = [...script.matchAll(/--volume ([\w-]+),kind=host,\S+?(,readOnly=true)? /g)];
    expect(volumes.map(([, name, readOnly]) => [name, readOnly !== undefined])).toEqual(
      points.map(({ name, readOnly }) => [name, readOnly]),
    );
  });

  it('has the same files as the archive of make image', () => {
    const layout = ['--extract', '--to-stdout', '--file', join(dist, 'infoblox-cni-daemon.oci.tar')];
    const manifests = spawnSync('tar', [...layout, 'manifest.json'], { encoding: 'utf8' }).stdout;
    const [{ Layers: layers }] = JSON.parse(manifests);
    const layer = spawnSync('tar', [...layout, layers[0]], { maxBuffer: 1e9 }).stdout;
    const { stdout } = spawnSync('tar', ['--list', '--file', '-'], {
      input: gunzipSync(layer),
      encoding: 'utf8',
      maxBuffer: 1e9,
    });
    const inside = entries
      .map(({ name }) => name.replace(/^rootfs\/?/, ''))
      .filter((name) => name !== '' && name !== 'manifest');
    expect(inside).toEqual(
      stdout
        .trim()
        .split('\n')
        .map((name) => name.replace(/\/$/, '')),
    );
  });
});
