/**
 * Writes everything that is published of one version to dist/release, from the version's tag: `node
 * deploy/release/write.ts`. Refuses anything else before it writes. The directory is built in a stage and moved when
 * complete.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type Problem, problemsOf } from './problems.ts';

const project = join(import.meta.dirname, '../..');
const dist = join(project, 'dist');
const architectures = ['x64', 'arm64'] as const;
type Architecture = (typeof architectures)[number];

/** A file of the release: its name and its source. */
type Part = readonly [name: string, source: string];

/**
 * Returns the files that `make` writes for an architecture. Files that are the same for all architectures have one
 * name.
 */
function partsOf(version: string, arch: Architecture): Part[] {
  // As in the Makefile.
  const built = arch === process.arch ? dist : join(dist, arch);
  const packages = join(dist, 'packages');
  const name = `infoblox-cni-${version}-linux-${arch}`;
  const image = `infoblox-cni-daemon-${version}-linux-${arch}`;
  const deb = `infoblox-cni_${version.replace('-', '~')}_${arch === 'x64' ? 'amd64' : arch}.deb`;
  return [
    ['LICENSE', join(project, 'LICENSE')],
    ['THIRD-PARTY-LICENSES', join(built, 'THIRD-PARTY-LICENSES')],
    [`infoblox-cni-${version}.cdx.json`, join(built, 'infoblox-cni.cdx.json')],
    [name, join(built, 'infoblox-cni')],
    [`${name}.tar.gz`, join(packages, `${name}.tar.gz`)],
    [deb, join(packages, deb)],
    [`${image}.oci.tar`, join(built, 'infoblox-cni-daemon.oci.tar')],
    [`${image}.aci`, join(built, 'infoblox-cni-daemon.aci')],
    [`${image}.cdx.json`, join(built, 'infoblox-cni-daemon.cdx.json')],
  ];
}

function say(text: string): void {
  process.stdout.write(`release: ${text}\n`);
}

function refuse(problems: readonly Problem[]): void {
  for (const { what, fix } of problems) process.stderr.write(`release: ${what}. ${fix}\n`);
  process.stderr.write('release: nothing was written\n');
}

/**
 * Runs `make` for an architecture, its output shown.
 * @returns whether it succeeded
 */
function make(arch: Architecture): boolean {
  const targets = ['package', 'image', 'aci'];
  const env: NodeJS.ProcessEnv = { ...process.env };
  // The tag determines both.
  delete env.COMMIT;
  delete env.SOURCE_DATE_EPOCH;
  const args = ['--no-print-directory', '-C', project, `ARCH=${arch}`, ...targets];
  return spawnSync(process.env.MAKE ?? 'make', args, { env, stdio: 'inherit' }).status === 0;
}

/**
 * Copies the files to the stage.
 * @throws Error if a file is missing, or two files of one name differ
 */
function gather(stage: string, parts: readonly Part[]): void {
  rmSync(stage, { recursive: true, force: true }); // of an interrupted run
  mkdirSync(stage);
  for (const [name, source] of parts) {
    const file = join(stage, name);
    if (existsSync(file)) {
      if (!readFileSync(file).equals(readFileSync(source)))
        throw new Error(`${source} differs from that of another architecture`);
    } else {
      copyFileSync(source, file);
      chmodSync(file, statSync(source).mode & 0o100 ? 0o755 : 0o644);
    }
  }
  const sums = readdirSync(stage)
    .sort()
    .map((name) => `${sha256(join(stage, name))}  ${name}\n`);
  writeFileSync(join(stage, 'SHA256SUMS'), sums.join(''));
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function main(): number {
  process.umask(0o022);
  const { version }: { version: string } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8'));
  const problems = problemsOf(project, version);
  if (problems.length > 0) {
    refuse(problems);
    return 1;
  }
  for (const [index, arch] of architectures.entries()) {
    say(`${index + 1} of ${architectures.length}: version ${version} for ${arch}`);
    if (make(arch)) continue;
    process.stderr.write(`release: make for ${arch} failed; dist/release is unchanged\n`);
    return 1;
  }
  const stage = join(dist, '.release');
  gather(
    stage,
    architectures.flatMap((arch) => partsOf(version, arch)),
  );
  const release = join(dist, 'release');
  rmSync(release, { recursive: true, force: true });
  renameSync(stage, release);
  for (const name of readdirSync(release).sort()) {
    const { size } = statSync(join(release, name));
    say(`${name} (${size < 1e6 ? `${Math.ceil(size / 1e3)} kB` : `${(size / 1e6).toFixed(1)} MB`})`);
  }
  say('complete in dist/release');
  return 0;
}

process.exitCode = main();
