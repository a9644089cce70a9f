import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const project = join(import.meta.dirname, '../..');
let work: string;

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'infoblox-cni-build-'));
});

afterAll(() => {
  rmSync(work, { recursive: true });
});

function run(script: string, ...args: string[]) {
  // One commit, named, because the tree may move on between two builds.
  const env = { ...process.env, COMMIT: 'abc123' };
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', env });
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** The project in another place, without its sources. */
function copyOfProject(): string {
  const root = mkdtempSync(join(work, 'project-'));
  for (const file of ['build.mjs', 'package.json', 'package-lock.json', 'tsconfig.json'])
    cpSync(join(project, file), join(root, file));
  symlinkSync(join(project, 'node_modules'), join(root, 'node_modules'));
  return root;
}

describe('two builds of one commit', () => {
  it('give equal bytes wherever they are made, with links and a size that hosts can bear', { timeout: 120_000 }, () => {
    const one = join(work, 'one');
    const two = join(work, 'a', 'longer', 'path');
    const elsewhere = copyOfProject();
    cpSync(join(project, 'src'), join(elsewhere, 'src'), { recursive: true });
    const builds = [
      run(join(project, 'build.mjs'), '--outdir', one),
      run(join(elsewhere, 'build.mjs'), '--outdir', two),
    ];
    for (const build of builds) expect(build, build.stderr).toMatchObject({ status: 0 });

    expect(sha256(join(two, 'infoblox-cni'))).toBe(sha256(join(one, 'infoblox-cni')));
    expect(statSync(join(one, 'infoblox-cni')).mode & 0o777).toBe(0o755);
    expect(readlinkSync(join(one, 'infoblox'))).toBe('infoblox-cni');
    expect(readlinkSync(join(one, 'infoblox-cni-daemon'))).toBe('infoblox-cni');
    if (!builds[0]?.stdout.includes('NOT STRIPPED')) {
      expect(statSync(join(one, 'infoblox-cni')).size).toBeLessThanOrEqual(112e6);
    }
  });

  it('name version and commit', () => {
    const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
    for (const name of ['infoblox-cni', 'infoblox-cni-daemon']) {
      const { stdout } = spawnSync(join(work, 'one', name), ['--version'], { encoding: 'utf8', env: {} });
      expect(stdout).toContain(version);
      expect(stdout).toContain('abc123');
    }
  });
});

describe('a build that must not pass', () => {
  /** A project of two small scripts around the real build.mjs. */
  function projectWith(main: string, daemon?: string): string {
    const root = copyOfProject();
    mkdirSync(join(root, 'src/modes/daemon'), { recursive: true });
    writeFileSync(join(root, 'src/main.ts'), main);
    if (daemon !== undefined) writeFileSync(join(root, 'src/modes/daemon/main.ts'), daemon);
    return join(root, 'build.mjs');
  }

  it('fails when a library has crept into the plugin, and names it', () => {
    const build = run(projectWith(`import { parse } from 'valibot'; process.stdout.write(String(parse));`, ''));
    expect(build.status).toBe(1);
    expect(build.stderr).toContain('node_modules/valibot');
  });

  it('fails when the daemon has crept into the plugin', () => {
    const build = run(projectWith(`import './modes/daemon/main.ts';`, 'process.exitCode = 0;'));
    expect(build.status).toBe(1);
    expect(build.stderr).toContain('src/modes/daemon/main.ts');
  });

  it('fails when the executable does not answer VERSION, and leaves nothing in dist', { timeout: 60_000 }, () => {
    const script = projectWith(`process.stdout.write('hello');`, '');
    const build = run(script, '--outdir', join(work, 'mute'));
    expect(build.status).toBe(1);
    expect(build.stderr).toContain('CNI_COMMAND=VERSION infoblox');
    expect(readdirSync(join(work, 'mute'))).toEqual([]);
  });
});

describe('a build that is broken off', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)(
    'by %s leaves nothing of itself, nor of an earlier one that was killed',
    async (signal) => {
      const outdir = join(work, signal);
      const dead = spawnSync('true').pid;
      const others = { killed: `.build-${dead}-AbCdEf`, running: `.build-${process.pid}-AbCdEf` };
      for (const name of Object.values(others)) mkdirSync(join(outdir, name, 'nested'), { recursive: true });
      const build = spawn(process.execPath, [join(project, 'build.mjs'), '--outdir', outdir]);
      build.stdout.once('data', () => build.kill(signal));
      const [status] = await once(build, 'close');
      expect(status).toBe(128 + constants.signals[signal]);
      expect(readdirSync(outdir)).toEqual([others.running]);
    },
  );
});
