/** The image archive of `make image`: its contents, its labels, and its reproducibility. */
import { spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
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
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dist, requireCurrent } from '../program.ts';

const project = join(import.meta.dirname, '../../..');
const archive = join(dist, 'infoblox-cni-daemon.oci.tar');
/** In CI they are mandatory. */
const isLeftOut = !existsSync(archive) && process.env.CI === undefined;
if (isLeftOut) process.stderr.write('left out: what is in the image: none here, which "make image aci" writes\n');

let work: string;

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'infoblox-cni-image-'));
});

afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

function unpack(file: string, name: string): string {
  const directory = join(work, name);
  mkdirSync(directory);
  const { status, stderr } = spawnSync('tar', ['-xf', file, '-C', directory], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return directory;
}

const json = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8'));

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** Lists files below a directory by relative path, without following links. */
function filesUnder(directory: string): string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

describe.skipIf(isLeftOut)('the image', () => {
  const { version } = json(project, 'package.json');
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  let layout: string;
  let tree: string;

  const blob = ({ digest }: { digest: string }) => join(layout, 'blobs', digest.replace(':', '/'));

  beforeAll(() => {
    requireCurrent(archive);
    layout = unpack(archive, 'layout');
    const manifest = json(blob(json(layout, 'index.json').manifests[0]));
    tree = unpack(blob(manifest.layers[0]), 'tree');
  });

  it('is an OCI image layout with each blob under its hash, which docker can load, too', () => {
    expect(json(layout, 'oci-layout')).toEqual({ imageLayoutVersion: '1.0.0' });
    const { manifests } = json(layout, 'index.json');
    expect(manifests).toHaveLength(1);
    const manifest = json(blob(manifests[0]));
    const [name, blobs] = [`localhost/infoblox-cni-daemon:${version}`, readdirSync(join(layout, 'blobs/sha256'))];
    expect(manifests[0].annotations['org.opencontainers.image.ref.name']).toBe(name);
    for (const { digest, size } of [manifests[0], manifest.config, ...manifest.layers]) {
      expect(sha256(blob({ digest }))).toBe(digest.slice('sha256:'.length));
      expect(statSync(blob({ digest })).size).toBe(size);
    }
    expect(blobs).toHaveLength(3);
    const [docker] = json(layout, 'manifest.json');
    expect(docker.RepoTags).toEqual([name]);
    expect(blob(manifest.config)).toBe(join(layout, docker.Config));
    expect(docker.Layers.map((layer: string) => join(layout, layer))).toEqual(manifest.layers.map(blob));
  });

  it('has labels for version, commit, licences and libraries, and runs the daemon as user 0', () => {
    const manifest = json(blob(json(layout, 'index.json').manifests[0]));
    const config = json(blob(manifest.config));
    expect(config).toMatchObject({ architecture, os: 'linux', config: { User: '0:0' } });
    expect(config.config.Entrypoint).toEqual(['/usr/local/bin/infoblox-cni-daemon']);
    const { stdout } = spawnSync(join(dist, 'infoblox-cni'), ['--version'], { encoding: 'utf8' });
    const { Labels: labels } = config.config;
    expect(stdout).toBe(`infoblox-cni ${version} (${labels['org.opencontainers.image.revision']})\n`);
    expect(labels['org.opencontainers.image.version']).toBe(version);
    expect(labels['org.opencontainers.image.title']).toBe('infoblox-cni-daemon');
    expect(labels['org.opencontainers.image.licenses'].split(' AND ')).toEqual([
      'Apache-2.0',
      'GPL-3.0-or-later WITH GCC-exception-3.1',
      'LGPL-2.1-or-later',
      'MIT',
      'MPL-2.0',
    ]);
    expect(labels['infoblox-cni.debian-packages']).toMatch(
      /^ca-certificates=\S+ libc6=\S+ libgcc-s1=\S+ libstdc\+\+6=\S+$/,
    );
  });

  it('contains the build with its links, and every library that its programs need', () => {
    const bin = join(tree, 'usr/local/bin');
    expect(sha256(join(bin, 'infoblox-cni'))).toBe(sha256(join(dist, 'infoblox-cni')));
    for (const link of ['infoblox', 'infoblox-cni-daemon']) expect(readlinkSync(join(bin, link))).toBe('infoblox-cni');
    const libraries = join(
      tree,
      'usr/lib',
      readdirSync(join(tree, 'usr/lib')).find((name) => name.endsWith('-gnu')) ?? '',
    );
    for (const file of [join(bin, 'infoblox-cni'), ...filesUnder(libraries)]) {
      const { stdout } = spawnSync('readelf', ['--dynamic', file], { encoding: 'utf8' });
      for (const [, name = ''] of stdout.matchAll(/\(NEEDED\).*\[(.*)\]/g)) {
        expect(readdirSync(libraries), `${file} needs ${name}`).toContain(name);
      }
    }
    const { stdout } = spawnSync('readelf', ['--program-headers', join(bin, 'infoblox-cni')], { encoding: 'utf8' });
    const loader = /program interpreter: (.*)\]/.exec(stdout)?.[1] ?? 'no loader';
    expect(existsSync(join(tree, loader)), loader).toBe(true);
  });

  it('contains certificates of authorities, and the licences of its contents', () => {
    const certificates = readFileSync(join(tree, 'etc/ssl/certs/ca-certificates.crt'), 'utf8');
    const [first = '', ...others] = certificates.match(/-----BEGIN[^-]*-----[^-]*-----END CERTIFICATE-----/g) ?? [];
    expect(new X509Certificate(first).ca).toBe(true);
    expect(others.length).toBeGreaterThan(100);
    const documents = join(tree, 'usr/share/doc');
    expect(readdirSync(documents)).toEqual(['ca-certificates', 'infoblox-cni', 'libc6', 'libgcc-s1', 'libstdc++6']);
    expect(readdirSync(join(documents, 'infoblox-cni'))).toEqual(['LICENSE', 'THIRD-PARTY-LICENSES']);
    for (const name of readdirSync(documents).filter((one) => one !== 'infoblox-cni')) {
      const copyright = readFileSync(join(documents, name, 'copyright'), 'utf8');
      for (const [path] of copyright.matchAll(/usr\/share\/common-licenses\/[\w.-]*\w/g)) {
        expect(existsSync(join(tree, path)), `${name} is under ${path}`).toBe(true);
      }
    }
  });

  it('has no files that others can write to, none with set-user-ID, one date, and at most 120 MB', () => {
    const files = readdirSync(tree, { recursive: true, withFileTypes: true }).filter((one) => !one.isSymbolicLink());
    const stats = files.map(({ parentPath, name }) => statSync(join(parentPath, name)));
    expect(stats.filter(({ mode }) => (mode & 0o7022) !== 0)).toEqual([]);
    expect(new Set(stats.map(({ mtimeMs }) => mtimeMs)).size).toBe(1);
    const sizes = new Map(stats.filter((one) => one.isFile()).map((one) => [one.ino, one.size])); // readdir follows /lib
    const size = [...sizes.values()].reduce((sum, one) => sum + one, 0);
    expect(size).toBeLessThanOrEqual(120e6);
  });

  it('has an SBOM beside it: that of the build plus the libraries with their versions', () => {
    const sbom = json(dist, 'infoblox-cni-daemon.cdx.json');
    const built = json(dist, 'infoblox-cni.cdx.json');
    expect(sbom).toMatchObject({ bomFormat: 'CycloneDX', metadata: built.metadata });
    expect(sbom.components.slice(0, built.components.length)).toEqual(built.components);
    const added: { name: string; purl: string }[] = sbom.components.slice(built.components.length);
    expect(added.map(({ name }) => name)).toEqual(['ca-certificates', 'libc6', 'libgcc-s1', 'libstdc++6']);
    const status = readFileSync(join(tree, 'var/lib/dpkg/status.d/libc6'), 'utf8');
    const [, found = ''] = /^Version: (.*)$/m.exec(status) ?? [];
    expect(added[1]?.purl).toBe(`pkg:deb/debian/libc6@${encodeURIComponent(found)}?arch=${architecture}`);
  });
});

describe.skipIf(isLeftOut)('writing images', () => {
  const write = join(project, 'deploy/image/write.ts');

  /** Makes a build with a small program, with its own times, and modes for its owner alone. */
  function build(name: string, owner = 0o700): string {
    const directory = join(work, name);
    mkdirSync(directory);
    for (const file of ['THIRD-PARTY-LICENSES', 'infoblox-cni.cdx.json'])
      cpSync(join(dist, file), join(directory, file));
    writeFileSync(join(directory, 'infoblox-cni'), 'a program', { mode: 0o755 });
    for (const file of readdirSync(directory))
      chmodSync(join(directory, file), statSync(join(directory, file)).mode & owner);
    return directory;
  }

  it('twice gives equal bytes for any place and user, and other libraries for another architecture', {
    timeout: 180_000,
  }, () => {
    const builds = [build('one', 0o777), build('two', 0o700)];
    for (const [index, directory] of builds.entries()) {
      const command = `umask 0${index}77; exec "$0" "$@"`;
      const args = [process.execPath, write, 'oci', 'aci', '--arch', 'arm64', '--dist', directory];
      const { status, stdout, stderr } = spawnSync('sh', ['-c', command, ...args], { encoding: 'utf8', cwd: work });
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout).toMatch(/^image: localhost\/infoblox-cni-daemon:\S+ for arm64, with ca-certificates \S+, libc6 /m);
    }
    for (const name of ['infoblox-cni-daemon.oci.tar', 'infoblox-cni-daemon.aci', 'infoblox-cni-daemon.cdx.json']) {
      const [one, two] = builds.map((directory) => sha256(join(directory, name)));
      expect(one, name).toBe(two);
    }
    const aci = unpack(join(builds[0] ?? '', 'infoblox-cni-daemon.aci'), 'arm64');
    expect(json(aci, 'manifest').labels).toContainEqual({ name: 'arch', value: 'aarch64' });
    for (const file of filesUnder(join(aci, 'rootfs/usr/lib'))) {
      expect(spawnSync('readelf', ['--file-header', file], { encoding: 'utf8' }).stdout, file).toContain('AArch64');
    }
    expect(existsSync(join(aci, 'rootfs/lib/ld-linux-aarch64.so.1'))).toBe(true);
  });

  it.each([
    [
      'a program',
      'half',
      { PATH: join(tmpdir(), 'nowhere') },
      'missing on this machine: apt-get (Debian: apt), dpkg-deb (Debian: dpkg)',
    ],
    ['a build', '', {}, 'Run "make build"'],
  ] as const)('without %s fails with a hint, and leaves nothing', (_, name, env, message) => {
    const directory = name === '' ? join(work, 'empty') : build(name);
    mkdirSync(directory, { recursive: true });
    const before = readdirSync(directory);
    const run = spawnSync(process.execPath, [write, 'oci', '--dist', directory], {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    });
    expect(run).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining(message) });
    expect(readdirSync(directory)).toEqual(before);
  });
});
