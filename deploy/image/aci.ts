/** The image as an App Container Image (appc/spec 0.8.11), which rkt runs. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzip, writeTar } from './archive.ts';
import type { Contents } from './contents.ts';
import { entrypoint, mountPoints } from './tree.ts';

/** Architectures by the specification's names (schema/types/labels.go). */
const architectures = { amd64: 'amd64', arm64: 'aarch64' } as const;

/** Writes the image into a file. */
export function writeAci(file: string, stage: string, contents: Contents): void {
  const layout = join(stage, 'aci');
  mkdirSync(layout);
  writeFileSync(join(layout, 'manifest'), JSON.stringify(manifestOf(contents)));
  renameSync(contents.tree, join(layout, 'rootfs'));
  const tar = join(stage, 'aci.tar');
  writeTar(tar, layout, ['manifest', 'rootfs']);
  renameSync(join(layout, 'rootfs'), contents.tree);
  renameSync(gzip(tar), file);
}

function manifestOf({ name, version, architecture, revision, description, licenses, packages }: Contents): object {
  return {
    acKind: 'ImageManifest',
    acVersion: '0.8.11',
    name,
    labels: [
      { name: 'version', value: version },
      { name: 'os', value: 'linux' },
      { name: 'arch', value: architectures[architecture] },
    ],
    app: {
      exec: [entrypoint],
      user: '0',
      group: '0',
      workingDirectory: '/',
      environment: [{ name: 'PATH', value: '/usr/local/bin' }],
      mountPoints,
    },
    annotations: [
      {
        name: 'infoblox-cni/debian-packages',
        value: packages.map(({ name, version }) => `${name}=${version}`).join(' '),
      },
      { name: 'infoblox-cni/description', value: description },
      { name: 'infoblox-cni/licenses', value: licenses },
      { name: 'infoblox-cni/revision', value: revision },
    ],
  };
}
