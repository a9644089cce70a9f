/**
 * `make release` in temporary repositories, with the real Makefile and packages, but a small executable and short files instead of images.
 * Other tests check the real ones and their reproducibility.
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
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

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
writeFileSync(out + '/infoblox-cni', '#!/bin/sh\\necho executable for ' + arch + ' ' + (process.env.COMMIT ?? ''), { mode: 0o755 });
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
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'infoblox-cni-release-'));
  mkdirSync(join(work, 'bin'));
  // The stand-in strips nothing.
  for (const name of ['x86_64-linux-gnu-strip', 'aarch64-linux-gnu-strip']) {
    writeFileSync(join(work, 'bin', name), '#!/bin/sh\n', { mode: 0o755 });
  }
});
afterEach(() => rmSync(work, { recursive: true }));

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

const published = (root: string) => readdirSync(join(root, 'dist/release')).sort();
const read = (root: string, name: string) => readFileSync(join(root, 'dist/release', name), 'utf8');

describe.skipIf(leftOut)('make release', () => {
  test('refuses a tree that is not a release, gives all reasons and fixes, and writes nothing', () => {
    const root = repository('root', { changelog: `## ${version} (unreleased)`, isTagged: false });
    writeFileSync(join(root, 'deploy/stray'), '');
    rmSync(join(work, 'bin/aarch64-linux-gnu-strip'));
    const { status, stderr } = release(root, {
      PATH: `${join(work, 'bin')}:${join(project, 'node_modules/.bin')}:/usr/bin:/bin`,
    });
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

  test.each([
    ['## 0.0.1 (2026-01-31)', `CHANGELOG.md has no entry of ${version}`],
    [`## ${version}`, `CHANGELOG.md has no date for ${version}`],
    [`## ${version}0 (2026-01-31)`, `CHANGELOG.md has no entry of ${version}`],
  ])('refuses a changelog with %j', (changelog, reason) => {
    const { status, stderr } = release(repository('root', { changelog }));
    expect(status).not.toBe(0);
    expect(stderr).toContain(reason);
  });

  test('refuses a commit after the tag', () => {
    const root = repository('root');
    writeFileSync(join(root, 'CHANGELOG.md'), `## ${version} (2026-01-31)\n\n- One more\n`);
    commit(root);
    const { status, stderr } = release(root);
    expect(status).not.toBe(0);
    expect(stderr).toContain(`release: ${tag} is the tag of another commit. git checkout ${tag}; or raise the version`);
    expect(existsSync(join(root, 'dist'))).toBe(false);
  });

  test('puts all files of one version into a directory, with sums for sha256sum', () => {
    const root = repository('root');
    const { status, stdout, stderr } = release(root);
    expect(status, stdout + stderr).toBe(0);
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
    const check = spawnSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], {
      cwd: join(root, 'dist/release'),
      encoding: 'utf8',
    });
    expect(check.status, check.stderr).toBe(0);
    expect(check.stdout.trim().split('\n').length).toBe(published(root).length - 1);
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
  });

  test('makes the same bytes of one commit in another place and environment', () => {
    const [one, two] = [repository('one'), repository('two/and/deeper')];
    for (const [root, env] of [
      [one, {}],
      [two, { COMMIT: 'another', SOURCE_DATE_EPOCH: '1', TZ: 'Asia/Tokyo' }],
    ] as const) {
      const { status, stdout, stderr } = release(root, env);
      expect(status, stdout + stderr).toBe(0);
    }
    expect(read(two, 'SHA256SUMS')).toBe(read(one, 'SHA256SUMS'));
  });

  test('keeps the last release if it fails, and replaces all of it if it succeeds', () => {
    const root = repository('root');
    const last = join(root, 'dist/release/infoblox-cni-0.9.0-linux-x64');
    mkdirSync(dirname(last), { recursive: true });
    writeFileSync(last, 'the last release');
    // The second architecture cannot be built.
    mkdirSync(join(root, 'dist/arm64/infoblox-cni'), { recursive: true });
    const failed = release(root);
    expect(failed.status).not.toBe(0);
    expect(failed.stderr).toContain('release: make for arm64 failed; dist/release is unchanged\n');
    expect(published(root)).toEqual(['infoblox-cni-0.9.0-linux-x64']);
    rmSync(join(root, 'dist/arm64'), { recursive: true });
    expect(release(root).status).toBe(0);
    expect(published(root)).not.toContain('infoblox-cni-0.9.0-linux-x64');
    expect(readdirSync(join(root, 'dist')).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});
