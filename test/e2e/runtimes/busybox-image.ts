/** An image without a registry: the static busybox of this host in an OCI archive, which every runtime can load. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createTar } from 'nanotar';

export const imageName = 'localhost/busybox:test';
/** The program of its containers, which sleeps until it is ended. */
export const sleep = ['/bin/busybox', 'sleep', '1000'] as const;

interface Blob {
  readonly data: Uint8Array | string;
  readonly descriptor: { readonly mediaType: string; readonly digest: string; readonly size: number };
}

/** Makes the archive: OCI image layout 1.0.0, and the index that docker reads. */
export function busyboxImage(): Uint8Array {
  const busybox = { name: 'bin/busybox', data: readFileSync('/bin/busybox'), attrs: { mode: '755', uid: 0, gid: 0 } };
  const layer = blob('application/vnd.oci.image.layer.v1.tar', createTar([busybox]));
  const { digest } = layer.descriptor;
  const config = blob('application/vnd.oci.image.config.v1+json', {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Cmd: sleep },
    rootfs: { type: 'layers', diff_ids: [digest] },
  });
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const content = { schemaVersion: 2, mediaType, config: config.descriptor, layers: [layer.descriptor] };
  const manifest = blob(mediaType, content);
  const annotations = { 'io.containerd.image.name': imageName, 'org.opencontainers.image.ref.name': imageName };
  const json = (name: string, value: unknown) => ({ name, data: JSON.stringify(value) });
  return createTar([
    json('oci-layout', { imageLayoutVersion: '1.0.0' }),
    json('index.json', { schemaVersion: 2, manifests: [{ ...manifest.descriptor, annotations }] }),
    json('manifest.json', [{ Config: pathOf(config), RepoTags: [imageName], Layers: [pathOf(layer)] }]),
    ...[layer, config, manifest].map((one) => ({ name: pathOf(one), data: one.data })),
  ]);
}

function blob(mediaType: string, content: Uint8Array | object): Blob {
  const data = content instanceof Uint8Array ? content : JSON.stringify(content);
  const digest = `sha256:${createHash('sha256').update(data).digest('hex')}`;
  return { data, descriptor: { mediaType, digest, size: data.length } };
}

function pathOf({ descriptor }: Blob): string {
  return `blobs/${descriptor.digest.replace(':', '/')}`;
}
