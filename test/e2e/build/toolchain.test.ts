/** The Makefile installs only the programs that a target needs. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const project = join(import.meta.dirname, '../../..');
let bin: string;

/** A machine without the programs, with stand-ins for root and for apt-get, which records its calls. */
beforeEach(() => {
  bin = mkdtempSync(join(tmpdir(), 'infoblox-cni-toolchain-'));
  symlinkSync('/bin/uname', join(bin, 'uname'));
  for (const [program, script] of [
    ['id', 'echo 0'],
    ['apt-get', `echo "$*" >>${bin}/calls`],
  ]) {
    writeFileSync(join(bin, `${program}`), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
});
afterEach(() => rmSync(bin, { recursive: true }));

function make(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('/usr/bin/make', ['--no-print-directory', '-C', project, ...args], {
    encoding: 'utf8',
    env: { PATH: bin },
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

const installed = () =>
  readFileSync(join(bin, 'calls'), 'utf8')
    .split(/ |\n/)
    .filter((word) => /^[a-z]/.test(word) && !['update', 'install'].includes(word))
    .sort();

test('a build installs binutils, and no container runtime', () => {
  expect(make('build-packages')).toBe('setup: apt-get install binutils\n');
  expect(installed()).toEqual(['binutils']);
});

test('no target for operators installs programs that only tests need', () => {
  expect(make('--dry-run', 'setup')).toContain('docker.io');
  expect(make('--dry-run', 'demo', 'image', 'aci', 'package', 'simulator')).not.toContain('docker.io');
});

test('setup installs all programs that tests need', () => {
  expect(make('host-packages')).toMatch(/^setup: apt-get install .*binutils.* docker\.io docker-cli containerd /);
  expect(installed()).toEqual(expect.arrayContaining(['binutils', 'containerd', 'docker.io', 'kustomize', 'podman']));
});

test('package and image reuse a build until its sources or the commit change', () => {
  const root = join(bin, 'project');
  for (const directory of ['src', 'deploy/manual', 'node_modules/.bin'])
    mkdirSync(join(root, directory), { recursive: true });
  for (const file of ['Makefile', 'package-lock.json']) copyFileSync(join(project, file), join(root, file));
  for (const file of ['src/a.ts', 'package.json', 'LICENSE']) writeFileSync(join(root, file), '{}');
  writeFileSync(join(root, 'deploy/package.sh'), 'echo packed\n');
  writeFileSync(
    join(root, 'build.mjs'),
    `import { mkdirSync, writeFileSync } from 'node:fs';
     mkdirSync('dist', { recursive: true });
     writeFileSync('dist/infoblox-cni.cdx.json', JSON.stringify({ value: process.env.COMMIT }));
     writeFileSync('dist/infoblox-cni', '', { mode: 0o755 });
     console.log('compiled');`,
  );
  writeFileSync(join(bin, 'strip'), '#!/bin/sh\n', { mode: 0o755 });
  symlinkSync(process.execPath, join(root, 'node_modules/.bin/node'));
  execFileSync('sh', ['-c', 'sha256sum package-lock.json > node_modules/.setup'], { cwd: root });
  const packed = (commit: string) => {
    const env = { PATH: `${bin}:/usr/bin:/bin`, COMMIT: commit };
    const run = spawnSync('/usr/bin/make', ['--no-print-directory', '-C', root, 'package'], { encoding: 'utf8', env });
    expect(run.stdout).toMatch(/packed\n$/);
    return run.stdout.includes('compiled') ? 'built' : run.stdout.split('\n')[0];
  };
  const upToDate = 'build: dist/infoblox-cni is up to date';
  expect([packed('abc'), packed('abc'), packed('def'), packed('def')]).toEqual(['built', upToDate, 'built', upToDate]);
  utimesSync(join(root, 'src/a.ts'), Date.now() / 1_000 + 60, Date.now() / 1_000 + 60);
  expect(packed('def')).toBe('built');
});

test('the error on a machine without npm says what to install', () => {
  const root = join(bin, 'project');
  mkdirSync(root);
  for (const file of ['Makefile', 'package-lock.json']) copyFileSync(join(project, file), join(root, file));
  symlinkSync('/usr/bin/sha256sum', join(bin, 'sha256sum'));
  const { status, stdout, stderr } = spawnSync('/usr/bin/make', ['-C', root, 'build'], {
    encoding: 'utf8',
    env: { PATH: bin },
  });
  expect(status).toBe(2);
  expect(stderr).toContain(
    'no npm on this host: install Node 20 or later with npm (Debian: apt-get install nodejs npm)',
  );
  expect(stdout).not.toContain('fetching');
});

test('the error names a program that cannot be installed', () => {
  rmSync(join(bin, 'apt-get'));
  expect(make('build-packages')).toContain('MISSING on this host (Debian names): binutils - going on without');
});
