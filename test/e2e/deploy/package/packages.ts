/** The packages of the built executable, made like by `make package`, once for all tests of a run, in its temporary directory. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../../fixture/host.ts';
import { dist, requireBuilt } from '../../program.ts';
import { rootObstacle } from './throwaway-root.ts';

export const project = join(import.meta.dirname, '../../../..');
export const version: string = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')).version;
const debianArch = process.arch === 'x64' ? 'amd64' : 'arm64';

/** Name of the tarball's directory: that of the tarball without suffix. */
export const tarball = `infoblox-cni-${version}-linux-${process.arch}`;
export const deb = `infoblox-cni_${version}_${debianArch}.deb`;
/** The same package uncompressed, which dpkg unpacks in a tenth of the time. */
export const quickDeb = `infoblox-cni_${version}_${debianArch}.quick.deb`;
/** The next version of the Debian package, with the same files except one example, also uncompressed. */
export const nextDeb = `infoblox-cni_${version}+next_${debianArch}.deb`;

const obstacle = rootObstacle();
/** In CI, where everything is installed, the tests fail instead of being skipped. */
export const leftOut = obstacle !== undefined && process.env.CI === undefined;
if (leftOut) process.stderr.write(`left out: packages are not made and installed: ${obstacle}\n`);

/** Milliseconds for `madePackages`: compression is slow, and another test file may be doing it first. */
export const packageTimeoutMs = 300_000;

/** @returns the directory with `deb`, `quickDeb`, `nextDeb`, and the archive of `tarball` */
export async function madePackages(): Promise<string> {
  const [made, failed] = [join(tmpdir(), 'packages'), join(tmpdir(), 'packages-failed')];
  try {
    mkdirSync(join(tmpdir(), 'packages-begun'));
  } catch {
    await until(
      'another file of tests has made the packages',
      () => existsSync(made) || existsSync(failed),
      packageTimeoutMs,
    );
    return made;
  }
  try {
    const stage = mkdtempSync(join(tmpdir(), 'infoblox-cni-packages-'));
    await pack(stage, { DPKG_DEB_COMPRESSOR_LEVEL: '0' });
    packAnew(stage);
    renameSync(stage, made);
    return made;
  } catch (error) {
    writeFileSync(failed, '');
    throw error;
  }
}

/**
 * Runs deploy/package.sh.
 * @param root the project, or a copy of its packed parts
 * @returns its output
 */
export async function pack(
  out: string,
  { root = project, umask = '022', ...env }: Record<string, string> = {},
): Promise<string> {
  requireBuilt();
  const given = { ...process.env, ARCH: process.arch, DIST: dist, OUT: out, SOURCE_DATE_EPOCH: '1700000000', ...env };
  const child = spawn('sh', ['-c', `umask ${umask}; exec sh "$0" 2>&1`, join(root, 'deploy/package.sh')], {
    env: given,
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [status] = await once(child, 'close');
  if (status !== 0) throw new Error(`exit ${status}: package.sh\n${output}`);
  return output;
}

function packAnew(directory: string): void {
  const files = join(directory, 'files');
  const build = (name: string) =>
    succeed('dpkg-deb', '--root-owner-group', '-Znone', '--build', files, join(directory, name));
  succeed('dpkg-deb', '--raw-extract', join(directory, deb), files);
  build(quickDeb);
  const control = join(files, 'DEBIAN/control');
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*/m, `Version: ${version}+next`));
  writeFileSync(join(files, 'etc/infoblox-cni/netconf/10-net-1.conf'), '{ "of": "the next release" }\n');
  build(nextDeb);
  rmSync(files, { recursive: true });
}

/** Runs a program. @returns its output @throws Error with its output if it fails */
export function succeed(file: string, ...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: 'utf8', maxBuffer: 1e8 });
  if (status !== 0) throw new Error(`${file}: ${error?.message ?? `exit ${status}`}\n${stdout}${stderr}`);
  return stdout;
}

/** Lists files and links below a directory by relative path, sorted. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length))
    .sort();
}
