/**
 * `make release` in temporary repositories, with the real Makefile and packages, but a file that compresses fast for the executable, and
 * short files for images. Other tests check the real ones and their reproducibility.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const project = join(import.meta.dirname, '../../..');
const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
const tag = `v${version}`;

/** Programs of a Debian machine. In CI, which has them, the tests fail instead of being skipped. */
const leftOut = spawnSync('dpkg-deb', ['--version']).error !== undefined && process.env.CI === undefined;
if (leftOut) process.stderr.write('left out: make release is not tried, no dpkg-deb on this machine\n');

/** Replaces build.mjs. */
const build = `import { mkdirSync, symlinkSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
const arch = process.argv[3], out = arch === process.arch ? 'dist' : 'dist/' + arch;
for (const name of ['infoblox', 'infoblox-cni-daemon']) rmSync(out + '/' + name, { force: true });
const shared = ['man/man8/infoblox.8', 'man/man8/infoblox-cni-daemon.8', 'man/man8/infoblox-cni.8', 'bash-completion/completions/infoblox-cni',
  'bash-completion/completions/infoblox-cni-daemon', 'zsh/site-functions/_infoblox-cni-daemon',
  'fish/vendor_completions.d/infoblox-cni.fish', 'fish/vendor_completions.d/infoblox-cni-daemon.fish'];
for (const file of shared) {
  mkdirSync(dirname(out + '/share/' + file), { recursive: true });
  writeFileSync(out + '/share/' + file, file);
}
// So long that a multi-threaded compressor would split it.
writeFileSync(out + '/infoblox-cni', ('#!/bin/sh\\necho executable for ' + arch + ' ' + (process.env.COMMIT ?? '')).padEnd(7e6), { mode: 0o755 });
for (const name of ['infoblox', 'infoblox-cni-daemon']) symlinkSync('infoblox-cni', out + '/' + name);
for (const name of ['THIRD-PARTY-LICENSES', 'infoblox-cni.cdx.json']) writeFileSync(out + '/' + name, name);
`;

/** Replaces the script for images, and writes files of the same names. */
function imageWriter(): string {
  const source = readFileSync(join(project, 'deploy/image/write.ts'), 'utf8');
  const names = [...source.matchAll(/'(infoblox-cni-daemon\.[a-z.]+)'/g)].map(([, name]) => name);
  expect(names.length).toBe(3);
  return `import { writeFileSync } from 'node:fs';
const [, , kind, , arch, , dist] = process.argv;
for (const name of ${JSON.stringify(names)}) writeFileSync(dist + '/' + name, name + ' for ' + arch);
`;
}

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'infoblox-cni-release-'));
  mkdirSync(join(work, 'bin'));
  // The stand-in strips nothing.
  for (const name of ['x86_64-linux-gnu-strip', 'aarch64-linux-gnu-strip']) {
    writeFileSync(join(work, 'bin', name), '#!/bin/sh\n', { mode: 0o755 });
  }
});
afterAll(() => rmSync(work, { recursive: true }));

/** Makes a repository with one commit of a fixed date, so that its hash is always the same. */
function repository(at: string, { changelog = `## ${version} (2026-01-31)`, isTagged = true } = {}): string {
  const root = join(work, at);
  for (const part of [
    'Makefile',
    'package.json',
    'LICENSE',
    '.gitignore',
    'deploy',
    'docs',
    'README.md',
    'SECURITY.md',
  ]) {
    cpSync(join(project, part), join(root, part), { recursive: true });
  }
  writeFileSync(join(root, 'build.mjs'), build);
  writeFileSync(join(root, 'deploy/image/write.ts'), imageWriter());
  writeFileSync(join(root, 'CHANGELOG.md'), `# Changelog\n\n${changelog}\n\n- New\n`);
  symlinkSync(join(project, 'node_modules'), join(root, 'node_modules'));
  git(root, 'init', '--quiet');
  commit(root);
  if (isTagged) git(root, 'tag', '--annotate', tag, '--message', tag);
  return root;
}

function git(root: string, ...args: string[]): void {
  const date = '2026-01-31T12:00:00Z';
  const names = ['AUTHOR', 'COMMITTER'].flatMap((who) => [
    [`GIT_${who}_NAME`, 'test'],
    [`GIT_${who}_EMAIL`, 'test@example.com'],
    [`GIT_${who}_DATE`, date],
  ]);
  const env = { PATH: process.env.PATH, HOME: work, ...Object.fromEntries(names) };
  const { status, stderr } = spawnSync('git', args, { cwd: root, env, encoding: 'utf8' });
  if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr}`);
}

function commit(root: string): void {
  git(root, 'add', '--all');
  git(root, 'commit', '--quiet', '--message', 'All of it');
}

function release(root: string, env: Record<string, string> = {}) {
  const PATH = `${join(work, 'bin')}:${process.env.PATH}`;
  const given = { ...process.env, MAKEFLAGS: '', MAKELEVEL: '', PATH, HOME: work, ...env };
  return spawnSync('make', ['--no-print-directory', 'release'], { cwd: root, env: given, encoding: 'utf8' });
}

/** Runs a program on the published files. @returns its output */
function inRelease(root: string, file: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(file, args, {
    cwd: join(root, 'dist/release'),
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  expect(status, stderr).toBe(0);
  return stdout;
}

const published = (root: string) => readdirSync(join(root, 'dist/release')).sort();
const read = (root: string, name: string) => readFileSync(join(root, 'dist/release', name), 'utf8');

describe.skipIf(leftOut)('make release', () => {
  test('refuses a tree that is not a release, gives all reasons and fixes, and writes nothing', () => {
    const root = repository('unreleased', { changelog: `## ${version} (unreleased)`, isTagged: false });
    writeFileSync(join(root, 'deploy/stray'), '');
    const { status, stderr } = release(root, { PATH: `${join(project, 'node_modules/.bin')}:/usr/bin:/bin` });
    expect(status).not.toBe(0);
    expect(stderr).toContain(
      'release: the tree is not that of its commit: deploy/stray. Commit or remove the changes\n',
    );
    expect(stderr).toContain(
      `release: version ${version} of package.json has no tag here. When all of it is committed: git tag -a ${tag}`,
    );
    expect(stderr).toContain(
      `CHANGELOG.md has no date for ${version}: "## ${version} (unreleased)". Make it "## ${version} (YYYY-MM-DD)"`,
    );
    if (!existsSync('/usr/bin/aarch64-linux-gnu-strip')) {
      expect(stderr).toContain(
        'no aarch64-linux-gnu-strip on this machine. Debian: apt-get install binutils-aarch64-linux-gnu\n',
      );
    }
    expect(stderr).toContain('release: nothing was written\n');
    expect(existsSync(join(root, 'dist'))).toBe(false);
  });

  test('refuses a changelog without a dated entry of the version', () => {
    const root = repository('changelog');
    for (const [changelog, reason] of [
      ['## 0.0.1 (2026-01-31)', `CHANGELOG.md has no entry of ${version}`],
      [`## ${version}`, `CHANGELOG.md has no date for ${version}`],
      [`## ${version}0 (2026-01-31)`, `CHANGELOG.md has no entry of ${version}`],
    ] as const) {
      writeFileSync(join(root, 'CHANGELOG.md'), `# Changelog\n\n${changelog}\n`);
      const { status, stderr } = release(root);
      expect(status, changelog).not.toBe(0);
      expect(stderr).toContain(reason);
    }
  });

  test('refuses a commit after the tag', () => {
    const root = repository('after-the-tag');
    writeFileSync(join(root, 'CHANGELOG.md'), `## ${version} (2026-01-31)\n\n- One more\n`);
    commit(root);
    const { status, stderr } = release(root);
    expect(status).not.toBe(0);
    expect(stderr).toContain(`release: ${tag} is the tag of another commit. git checkout ${tag}; or raise the version`);
    expect(existsSync(join(root, 'dist'))).toBe(false);
  });

  describe('of a tagged commit', () => {
    let root: string;
    let stdout: string;

    beforeAll(() => {
      root = repository('tagged');
      const last = join(root, 'dist/release/infoblox-cni-0.9.0-linux-x64');
      mkdirSync(dirname(last), { recursive: true });
      writeFileSync(last, 'the last release');
      const run = release(root);
      expect(run.status, run.stdout + run.stderr).toBe(0);
      stdout = run.stdout;
    });

    test('puts all files of one version in place of the last release, with sums for sha256sum', () => {
      const ofArch = ['arm64', 'x64'].flatMap((arch) => [
        `infoblox-cni-${version}-linux-${arch}`,
        `infoblox-cni-${version}-linux-${arch}.tar.gz`,
        `infoblox-cni-daemon-${version}-linux-${arch}.aci`,
        `infoblox-cni-daemon-${version}-linux-${arch}.cdx.json`,
        `infoblox-cni-daemon-${version}-linux-${arch}.oci.tar`,
        `infoblox-cni_${version}_${arch === 'x64' ? 'amd64' : arch}.deb`,
      ]);
      const common = ['LICENSE', 'SHA256SUMS', 'THIRD-PARTY-LICENSES', `infoblox-cni-${version}.cdx.json`];
      expect(published(root)).toEqual([...ofArch, ...common].sort());
      const sums = inRelease(root, 'sha256sum', '--check', '--strict', 'SHA256SUMS');
      expect(sums.trim().split('\n').length).toBe(published(root).length - 1);
      for (const arch of ['x64', 'arm64']) {
        expect(read(root, `infoblox-cni-${version}-linux-${arch}`)).toContain(`executable for ${arch}`);
        expect(statSync(join(root, `dist/release/infoblox-cni-${version}-linux-${arch}`)).mode & 0o777).toBe(0o755);
        expect(read(root, `infoblox-cni-daemon-${version}-linux-${arch}.aci`)).toBe(
          `infoblox-cni-daemon.aci for ${arch}`,
        );
      }
      expect(stdout).toMatch(
        new RegExp(`^release: 1 of 2: version ${version} for x64\n[^]*release: 2 of 2: version ${version} for arm64\n`),
      );
      for (const name of published(root)) expect(stdout).toContain(`release: ${name} (`);
      expect(readdirSync(join(root, 'dist')).filter((name) => name.startsWith('.'))).toEqual([]);
    });

    test.each([
      ['x64', 'amd64'],
      ['arm64', 'arm64'],
    ])('makes packages for %s: a tarball, and a Debian package that every dpkg can read', (arch, debian) => {
      const packages = [
        `infoblox-cni-${version}-linux-${arch}.tar.gz`,
        `infoblox-cni_${version}_${debian}.deb`,
      ] as const;
      for (const name of packages) expect(stdout).toContain(`package: dist/packages/${name} (`);
      const executable = `executable for ${arch}`;
      const inTarball = `infoblox-cni-${version}-linux-${arch}/infoblox-cni`;
      expect(inRelease(root, 'tar', '-xzOf', packages[0], inTarball)).toContain(executable);
      expect(inRelease(root, 'dpkg-deb', '--field', packages[1], 'Architecture')).toBe(`${debian}\n`);
      expect(inRelease(root, 'ar', 't', packages[1])).toBe('debian-binary\ncontrol.tar.xz\ndata.tar.xz\n');
    });

    test('makes the same bytes in another place and environment', () => {
      const elsewhere = repository('elsewhere/and/deeper');
      const run = release(elsewhere, { COMMIT: 'another', SOURCE_DATE_EPOCH: '1', TZ: 'Asia/Tokyo' });
      expect(run.status, run.stdout + run.stderr).toBe(0);
      expect(read(elsewhere, 'SHA256SUMS')).toBe(read(root, 'SHA256SUMS'));
    });

    test('makes the same packages with another umask and number of threads', () => {
      const again = join(root, 'dist/again');
      const env = { ...process.env, ARCH: process.arch, OUT: again, DPKG_DEB_THREADS_MAX: '1' };
      const command = ['-c', 'umask 077; exec sh deploy/package.sh'];
      const { status, stderr } = spawnSync('sh', command, { cwd: root, env, encoding: 'utf8' });
      expect(status, stderr).toBe(0);
      expect(readdirSync(again)).toHaveLength(2);
      for (const name of readdirSync(again))
        expect(readFileSync(join(again, name)).equals(readFileSync(join(root, 'dist/release', name))), name).toBe(true);
    });

    test('keeps the last release if it fails', () => {
      const before = read(root, 'SHA256SUMS');
      // The second architecture cannot be built.
      rmSync(join(root, 'dist/arm64'), { recursive: true });
      mkdirSync(join(root, 'dist/arm64/infoblox-cni'), { recursive: true });
      const { status, stderr } = release(root);
      expect(status).not.toBe(0);
      expect(stderr).toContain('release: make for arm64 failed; dist/release is unchanged\n');
      expect(read(root, 'SHA256SUMS')).toBe(before);
    });
  });
});
