/** The image as an archive of an OCI image layout 1.0.0 (image-spec), which podman, containerd and docker load. */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzip, writeTar } from './archive.ts';
import type { Contents } from './contents.ts';
import { entrypoint } from './tree.ts';

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** Writes the archive into a file. */
export function writeOci(file: string, stage: string, contents: Contents): void {
  const layer = join(stage, 'layer.tar');
  writeTar(layer, contents.tree);
  const layout = join(stage, 'oci');
  mkdirSync(join(layout, 'blobs/sha256'), { recursive: true });
  const compressed = addBlob(layout, 'application/vnd.oci.image.layer.v1.tar+gzip', gzip(layer));
  const config = addJson(layout, 'application/vnd.oci.image.config.v1+json', {
    architecture: contents.architecture,
    os: 'linux',
    config: {
      // User 0 without capabilities: the plugin runs as root and trusts a socket only in root's directories.
      User: '0:0',
      Entrypoint: [entrypoint],
      Env: ['PATH=/usr/local/bin'],
      WorkingDir: '/',
      Labels: labelsOf(contents),
    },
    rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
  });
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = addJson(layout, mediaType, { schemaVersion: 2, mediaType, config, layers: [compressed] });
  const reference = `${contents.name}:${contents.version}`;
  writeJson(layout, 'oci-layout', { imageLayoutVersion: '1.0.0' });
  const annotations = { 'io.containerd.image.name': reference, 'org.opencontainers.image.ref.name': reference };
  const platform = { architecture: contents.architecture, os: 'linux' };
  writeJson(layout, 'index.json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{ ...manifest, platform, annotations }],
  });
  // For docker.
  writeJson(layout, 'manifest.json', [{ Config: pathOf(config), RepoTags: [reference], Layers: [pathOf(compressed)] }]);
  writeTar(file, layout, ['oci-layout', 'index.json', 'manifest.json', 'blobs']);
}

function labelsOf({ version, revision, description, licenses, packages }: Contents): Record<string, string> {
  return {
    'infoblox-cni.debian-packages': packages.map(({ name, version }) => `${name}=${version}`).join(' '),
    'org.opencontainers.image.description': description,
    'org.opencontainers.image.licenses': licenses,
    'org.opencontainers.image.revision': revision,
    'org.opencontainers.image.title': 'infoblox-cni-daemon',
    'org.opencontainers.image.version': version,
  };
}

function addJson(layout: string, mediaType: string, value: unknown): Descriptor {
  const file = join(layout, 'new.json');
  writeFileSync(file, JSON.stringify(value));
  return addBlob(layout, mediaType, file);
}

/** Adds a file as a blob, named by its hash. */
function addBlob(layout: string, mediaType: string, file: string): Descriptor {
  const descriptor = { mediaType, digest: digestOf(file), size: statSync(file).size };
  copyFileSync(file, join(layout, pathOf(descriptor)));
  return descriptor;
}

function pathOf({ digest }: Descriptor): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function digestOf(file: string): string {
  return `sha256:${createHash('sha256').update(readFileSync(file)).digest('hex')}`;
}

function writeJson(layout: string, name: string, value: unknown): void {
  writeFileSync(join(layout, name), JSON.stringify(value));
}
