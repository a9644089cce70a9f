/** The packages of the built executable, made like by `make package`, once for all tests of a run, in its temporary directory. */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
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
/** The next version of the Debian package, with the same files except one example. */
export const nextDeb = `infoblox-cni_${version}+next_${debianArch}.deb`;

const obstacle = rootObstacle();
/** In CI, where everything is installed, the tests fail instead of being skipped. */
export const leftOut = obstacle !== undefined && process.env.CI === undefined;
if (leftOut) process.stderr.write(`left out: packages are not made and installed: ${obstacle}\n`);

/** Milliseconds for `madePackages`: another test file may be doing it first. */
export const packageTimeoutMs = 300_000;

/** @returns the directory with `deb`, `nextDeb`, and the archive of `tarball`. The ones below `small` have a small executable */
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
    requireBuilt();
    const stage = mkdtempSync(join(tmpdir(), 'infoblox-cni-packages-'));
    pack(dist, stage);
    pack(smallBuild(), join(stage, 'small'));
    renameSync(stage, made);
    return made;
  } catch (error) {
    writeFileSync(failed, '');
    throw error;
  }
}

/** A build whose executable only tells its version. */
function smallBuild(): string {
  const small = mkdtempSync(join(tmpdir(), 'infoblox-cni-small-'));
  for (const name of ['share', 'infoblox', 'infoblox-cni-daemon', 'THIRD-PARTY-LICENSES', 'infoblox-cni.cdx.json'])
    cpSync(join(dist, name), join(small, name), { recursive: true, verbatimSymlinks: true });
  writeFileSync(join(small, 'infoblox-cni'), `#!/bin/sh\necho 'infoblox-cni ${version} (small)'\n`, { mode: 0o755 });
  return small;
}

/** Stand-ins that do not compress. release.test.ts makes packages with the real ones. */
const quickPrograms = {
  gzip: `for file; do :; done; exec ${process.execPath} -e '
    process.stdout.write(zlib.gzipSync(fs.readFileSync(process.argv[1]), { level: 0 }))' "$file" >"$file.gz"`,
  'dpkg-deb': `for arg; do shift; [ "$arg" = -Zxz ] && arg=-Znone; set -- "$@" "$arg"; done; exec /usr/bin/dpkg-deb "$@"`,
};

/** Packs a build with deploy/package.sh, and makes the next version of its Debian package. */
function pack(build: string, out: string): void {
  const bin = mkdtempSync(join(tmpdir(), 'infoblox-cni-bin-'));
  for (const [name, script] of Object.entries(quickPrograms))
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const variables = [`PATH=${bin}:${process.env.PATH}`, `ARCH=${process.arch}`, `DIST=${build}`, `OUT=${out}`];
  succeed('env', ...variables, 'sh', join(project, 'deploy/package.sh'));

  const files = join(out, 'files');
  succeed('dpkg-deb', '--raw-extract', join(out, deb), files);
  const control = join(files, 'DEBIAN/control');
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*/m, `Version: ${version}+next`));
  writeFileSync(join(files, 'etc/infoblox-cni/netconf/10-net-1.conf'), '{ "of": "the next release" }\n');
  succeed('dpkg-deb', '--root-owner-group', '-Znone', '--build', files, join(out, nextDeb));
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
