/**
 * Puts all that is published of one version into dist/release, from the tag of that version: `node deploy/release/write.ts`. It refuses
 * anything else before it writes. The directory is made aside and moved in when it is complete.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
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

/** What `make` writes for an architecture, by the names under which it is published. */
function filesOf(version: string, arch: Architecture): Readonly<Record<string, string>> {
  // As the Makefile has it.
  const built = arch === process.arch ? dist : join(dist, arch);
  const packages = join(dist, 'packages');
  const name = `infoblox-cni-${version}-linux-${arch}`;
  const image = `infoblox-cni-daemon-${version}-linux-${arch}`;
  const deb = `infoblox-cni_${version.replace('-', '~')}_${arch === 'x64' ? 'amd64' : arch}.deb`;
  return {
    [name]: join(built, 'infoblox-cni'),
    [`${name}.cdx.json`]: join(built, 'infoblox-cni.cdx.json'),
    [`${name}.tar.gz`]: join(packages, `${name}.tar.gz`),
    [deb]: join(packages, deb),
    [`${image}.oci.tar`]: join(built, 'infoblox-cni-daemon.oci.tar'),
    [`${image}.aci`]: join(built, 'infoblox-cni-daemon.aci'),
    [`${image}.cdx.json`]: join(built, 'infoblox-cni-daemon.cdx.json'),
    [`THIRD-PARTY-LICENSES-${arch}`]: join(built, 'THIRD-PARTY-LICENSES'),
  };
}

function say(text: string): void {
  process.stdout.write(`release: ${text}\n`);
}

function refuse(problems: readonly Problem[]): void {
  for (const { what, fix } of problems) process.stderr.write(`release: ${what}. ${fix}\n`);
  process.stderr.write('release: nothing was written\n');
}

/** @returns whether it went well; what `make` says is seen */
function make(arch: Architecture): boolean {
  const targets = ['package', 'image', 'aci'];
  const env: NodeJS.ProcessEnv = { ...process.env };
  // Both are the tag's.
  delete env.COMMIT;
  delete env.SOURCE_DATE_EPOCH;
  const args = ['--no-print-directory', '-C', project, `ARCH=${arch}`, ...targets];
  return spawnSync(process.env.MAKE ?? 'make', args, { env, stdio: 'inherit' }).status === 0;
}

function gather(stage: string, files: Readonly<Record<string, string>>): void {
  rmSync(stage, { recursive: true, force: true }); // what an interrupted run has left
  mkdirSync(stage);
  for (const [name, source] of Object.entries(files)) {
    copyFileSync(source, join(stage, name));
    chmodSync(join(stage, name), statSync(source).mode & 0o100 ? 0o755 : 0o644);
  }
  const sums = readdirSync(stage)
    .sort()
    .map((name) => {
      return `${createHash('sha256')
        .update(readFileSync(join(stage, name)))
        .digest('hex')}  ${name}\n`;
    });
  writeFileSync(join(stage, 'SHA256SUMS'), sums.join(''), { mode: 0o644 });
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
    process.stderr.write(`release: make for ${arch} failed; dist/release is as it was\n`);
    return 1;
  }
  const stage = join(dist, '.release');
  const files = Object.assign(
    { LICENSE: join(project, 'LICENSE') },
    ...architectures.map((arch) => filesOf(version, arch)),
  );
  gather(stage, files);
  const release = join(dist, 'release');
  rmSync(release, { recursive: true, force: true });
  renameSync(stage, release);
  for (const name of readdirSync(release).sort()) {
    say(`${name} (${(statSync(join(release, name)).size / 1e6).toFixed(1)} MB)`);
  }
  say('all of it is in dist/release');
  return 0;
}

process.exitCode = main();
