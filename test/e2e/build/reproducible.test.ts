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
import { join, relative } from 'node:path';
import { build as esbuild } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dist, requireBuilt } from '../program.ts';

const project = join(import.meta.dirname, '../../..');
const readSbom = () => JSON.parse(readFileSync(join(dist, 'infoblox-cni.cdx.json'), 'utf8'));
/** Beginning of the scripts beside that of the plugin. */
const scripts = [
  'src/modes/daemon/main.ts',
  'src/modes/operator/main.ts',
  'src/modes/daemon/tracing/open-telemetry.ts',
] as const;
let work: string;
/** That of the build in dist. */
let commit: string;

beforeAll(() => {
  requireBuilt();
  const properties: { name: string; value: string }[] = readSbom().metadata.component.properties;
  commit = properties.find(({ name }) => name === 'infoblox-cni:commit')?.value ?? 'none';
  work = mkdtempSync(join(tmpdir(), 'infoblox-cni-build-'));
});

afterAll(() => {
  rmSync(work, { recursive: true });
});

function run(script: string, ...args: string[]) {
  const env = { ...process.env, COMMIT: commit };
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', env });
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** Copies the project to another place, without its sources. */
function copyOfProject(): string {
  const root = mkdtempSync(join(work, 'project-'));
  for (const file of [
    'build.mjs',
    'build-licences.mjs',
    'build-node.mjs',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'LICENSE',
  ])
    cpSync(join(project, file), join(root, file));
  symlinkSync(join(project, 'node_modules'), join(root, 'node_modules'));
  return root;
}

describe('the build in dist', () => {
  it('has the bytes of another build of the same tree in another place, its links, and stays within the size limit', () => {
    const elsewhere = copyOfProject();
    for (const part of ['src', 'deploy', 'docs', 'CHANGELOG.md']) {
      cpSync(join(project, part), join(elsewhere, part), { recursive: true });
    }
    const other = join(work, 'a', 'longer', 'path');
    const build = run(join(elsewhere, 'build.mjs'), '--outdir', other);
    expect(build, build.stderr).toMatchObject({ status: 0 });

    const pages = readdirSync(join(dist, 'share'), { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    );
    expect(pages.length).toBe(8);
    const files = pages.map(({ parentPath, name }) => relative(dist, join(parentPath, name)));
    for (const file of ['infoblox-cni', 'THIRD-PARTY-LICENSES', 'infoblox-cni.cdx.json', ...files])
      expect(sha256(join(dist, file)), `${file}; if the tree is newer than dist: make build`).toBe(
        sha256(join(other, file)),
      );
    expect(statSync(join(dist, 'infoblox-cni')).mode & 0o777).toBe(0o755);
    expect(readlinkSync(join(dist, 'infoblox'))).toBe('infoblox-cni');
    expect(readlinkSync(join(dist, 'infoblox-cni-daemon'))).toBe('infoblox-cni');
    if (!build.stdout.includes('NOT STRIPPED')) {
      expect(statSync(join(dist, 'infoblox-cni')).size).toBeLessThanOrEqual(112e6);
    }
  });

  it('tells version and commit', () => {
    const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
    for (const name of ['infoblox-cni', 'infoblox-cni-daemon']) {
      const { stdout } = spawnSync(join(dist, name), ['--version'], { encoding: 'utf8', env: {} });
      expect(stdout).toBe(`infoblox-cni ${version} (${commit})\n`);
    }
  });
});

describe('the files beside the executable', () => {
  /** The packages in the scripts beside that of the plugin, found independently of the build. */
  let bundled: string[];

  beforeAll(async () => {
    const entryPoints = scripts.map((script) => join(project, script));
    const options = {
      outdir: 'nowhere',
      bundle: true,
      write: false,
      metafile: true,
      platform: 'node',
      preserveSymlinks: true,
    } as const;
    const { metafile } = await esbuild({ ...options, entryPoints, absWorkingDir: project });
    const files = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
    const names = files.flatMap((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1] ?? []);
    bundled = [...new Set(names)].sort();
  });

  it('include a list of components (CycloneDX) with each bundled package, and Node', () => {
    const sbom = readSbom();
    expect(sbom).toMatchObject({ bomFormat: 'CycloneDX', specVersion: '1.6' });
    expect(bundled).toContain('undici');
    const names: string[] = sbom.components.map(({ group, name }: { group?: string; name: string }) =>
      group === undefined ? name : `${group}/${name}`,
    );
    expect(names.sort()).toEqual([...bundled, 'node'].sort());
    expect(sbom.components).toContainEqual(
      expect.objectContaining({ name: 'node', version: process.versions.node, type: 'platform' }),
    );
  });

  it('include the licence texts of all components, which the executable contains, too', () => {
    const texts = readFileSync(join(dist, 'THIRD-PARTY-LICENSES'), 'utf8');
    for (const name of bundled) {
      const { version } = JSON.parse(readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8'));
      const directory = join(project, 'node_modules', name);
      const file = readdirSync(directory).find((entry) => /^licen[cs]e/i.test(entry)) ?? '';
      expect(texts, name).toContain(`\n${name} ${version} (`);
      expect(texts, name).toContain(readFileSync(join(directory, file), 'utf8').trim());
    }
    expect(texts).toContain('Node.js is licensed for use as follows');
    const { stdout, stderr } = spawnSync(join(dist, 'infoblox-cni'), ['--licenses'], { encoding: 'utf8', env: {} });
    expect({ stdout, stderr }).toEqual({ stdout: texts, stderr: '' });
  });
});

describe('a broken build', () => {
  /** Makes a project of small scripts around the real build.mjs. */
  function projectWith(main: string, daemon?: string): string {
    const root = copyOfProject();
    for (const script of scripts) {
      mkdirSync(join(root, script, '..'), { recursive: true });
      writeFileSync(join(root, script), '');
    }
    writeFileSync(join(root, 'src/main.ts'), main);
    if (daemon !== undefined) writeFileSync(join(root, 'src/modes/daemon/main.ts'), daemon);
    return join(root, 'build.mjs');
  }

  it('fails if the plugin contains a library, and names it', () => {
    const build = run(projectWith(`import { parse } from 'valibot'; process.stdout.write(String(parse));`, ''));
    expect(build.status).toBe(1);
    expect(build.stderr).toContain('node_modules/valibot');
  });

  it('fails if the plugin contains code of the daemon', () => {
    const build = run(projectWith(`import './modes/daemon/main.ts';`, 'process.exitCode = 0;'));
    expect(build.status).toBe(1);
    expect(build.stderr).toContain('src/modes/daemon/main.ts');
  });

  it('fails if a bundled package has no licence text, and names it', () => {
    const script = projectWith(`process.stdout.write('hello');`, `import { nothing } from 'unlicensed'; nothing();`);
    const unlicensed = join(script, '../src/modes/daemon/node_modules/unlicensed');
    mkdirSync(unlicensed, { recursive: true });
    writeFileSync(join(unlicensed, 'package.json'), '{"name":"unlicensed","version":"1.2.3","license":"MIT"}');
    writeFileSync(join(unlicensed, 'index.js'), 'exports.nothing = () => console.log();');
    const build = run(script, '--outdir', join(work, 'unlicensed'));
    expect(build.status).toBe(1);
    expect(build.stderr).toContain('bundled without a licence text, so it cannot be shipped: unlicensed@1.2.3');
    expect(readdirSync(join(work, 'unlicensed'))).toEqual([]);
  });

  it('fails if the executable does not answer VERSION, and leaves nothing in dist', () => {
    const script = projectWith(`process.stdout.write('hello');`, '');
    const build = run(script, '--outdir', join(work, 'mute'));
    expect(build.status).toBe(1);
    expect(build.stderr).toContain('CNI_COMMAND=VERSION infoblox');
    expect(readdirSync(join(work, 'mute'))).toEqual([]);
  });
});

describe('an interrupted build', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('leaves nothing behind after %s', async (signal) => {
    const outdir = join(work, signal);
    const build = spawn(process.execPath, [join(project, 'build.mjs'), '--outdir', outdir]);
    build.stdout.once('data', () => build.kill(signal));
    const [status] = await once(build, 'close');
    expect(status).toBe(128 + constants.signals[signal]);
    expect(readdirSync(outdir)).toEqual([]);
  });
});
