/**
 * Writes images of the daemon from a build, without a registry or docker:
 *
 *   node deploy/image/write.ts [oci] [aci] [--arch x64|arm64] [--dist DIR]
 *
 * infoblox-cni-daemon.oci.tar, infoblox-cni-daemon.aci and their SBOM, infoblox-cni-daemon.cdx.json, go beside the
 * executable. Equal builds and equal versions of Debian's packages give equal bytes.
 */
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { writeAci } from './aci.ts';
import { makeContents } from './contents.ts';
import { writeOci } from './oci.ts';
import { ImageError, requirePrograms } from './programs.ts';

const writers = {
  oci: { file: 'infoblox-cni-daemon.oci.tar', write: writeOci },
  aci: { file: 'infoblox-cni-daemon.aci', write: writeAci },
} as const;
const architectures = { x64: 'amd64', arm64: 'arm64' } as const;
const sbomFile = 'infoblox-cni-daemon.cdx.json';
const cache = join(import.meta.dirname, '../../.cache/debian');

function main(): void {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { arch: { type: 'string', default: process.arch }, dist: { type: 'string', default: 'dist' } },
  });
  const { arch, dist } = values;
  if (positionals.length === 0 || !positionals.every(isKind) || !isArchitecture(arch)) {
    throw new ImageError('usage: node deploy/image/write.ts [oci] [aci] [--arch x64|arm64] [--dist DIR]');
  }
  requirePrograms();
  process.umask(0o022);
  // Built in a stage and moved when complete: a failure keeps the last good image.
  const stage = join(dist, '.image');
  rmSync(stage, { recursive: true, force: true }); // of an interrupted run
  try {
    mkdirSync(stage);
    const contents = makeContents({ dist, architecture: architectures[arch], cache, stage });
    const written = positionals.filter(isKind).map((kind) => writers[kind]);
    say(`packing ${written.map(({ file }) => file).join(' and ')}, which takes a minute or so`);
    for (const { file, write } of written) write(join(stage, file), stage, contents);
    writeFileSync(join(stage, sbomFile), `${JSON.stringify(contents.sbom, null, 2)}\n`);
    for (const name of [...written.map(({ file }) => file), sbomFile]) renameSync(join(stage, name), join(dist, name));
    const versions = contents.packages.map(({ name, version }) => `${name} ${version}`).join(', ');
    say(`${contents.name}:${contents.version} for ${contents.architecture}, with ${versions}`);
    for (const { file } of written) {
      say(`${relative(process.cwd(), join(dist, file))}: ${(statSync(join(dist, file)).size / 1e6).toFixed(1)} MB`);
    }
    say(`${relative(process.cwd(), join(dist, sbomFile))}: their SBOM`);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

function isKind(text: string): text is keyof typeof writers {
  return Object.hasOwn(writers, text);
}

function isArchitecture(text: string): text is keyof typeof architectures {
  return Object.hasOwn(architectures, text);
}

function say(text: string): void {
  process.stdout.write(`image: ${text}\n`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof ImageError)) throw error;
  process.stderr.write(`image failed: ${error.message}\n`);
  process.exitCode = 1;
}
