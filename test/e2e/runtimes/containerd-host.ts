/** containerd on a host of its own. */
import { writeFileSync } from 'node:fs';
import { until } from '../../fixture/host.ts';
import type { Newest } from '../../fixture/newest.ts';
import { imageName } from './busybox-image.ts';
import { Cri } from './cri.ts';
import type { RuntimeHost } from './runtime-host.ts';

/** The required programs, with their Debian packages. */
export const programs = { containerd: 'containerd', ctr: 'containerd', runc: 'runc' } as const;

/**
 * Settings of containerd. It copies files, as an overlay may be impossible on a file system in memory or in a container.
 * Sandboxes of pods do not lower their OOM score, which the kernel allows only with CAP_SYS_RESOURCE.
 */
const config = `version = 2
[plugins."io.containerd.grpc.v1.cri"]
restrict_oom_score_adj = true
sandbox_image = "${imageName}"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[[plugins."io.containerd.transfer.v1.local".unpack_config]]
platform = "linux/${process.arch === 'x64' ? 'amd64' : process.arch}"
snapshotter = "native"
`;

/**
 * Starts or restarts containerd. Its process is called `containerd`.
 * @param plugins directory of CNI plugins, by default that of Debian
 */
export async function startContainerd(runtime: RuntimeHost, plugins = '/usr/lib/cni'): Promise<void> {
  const { host } = runtime;
  const cni = `[plugins."io.containerd.grpc.v1.cri".cni]\nbin_dir = "${plugins}"\n`;
  writeFileSync(host.path('/run/containerd.toml'), config + cni);
  await host.start('containerd', 'containerd --config /run/containerd.toml');
  await until('containerd serves', async () => (await host.run('ctr version')).exitCode === 0);
  // containerd answers before its CRI plugin is initialised, which refuses every call until then.
  const servesPods = () =>
    criOf(runtime)
      .isNetworkReady()
      .then(
        () => true,
        () => false,
      );
  await until('containerd serves pods', servesPods);
}

/** Replaces containerd and the main plugins by those of another Debian. */
export async function useNewest({ host }: RuntimeHost, { programs, plugins }: Newest): Promise<void> {
  const names = ['containerd', 'containerd-shim-runc-v2', 'ctr'];
  const mounts = names.map((name) => `mount --bind ${programs}/${name} /usr/bin/${name}`);
  await host.succeed([...mounts, `mount --bind ${plugins} $ROOM/main-plugins`].join(' && '));
}

/** Loads an image from an archive. @param namespace of containerd, which is `k8s.io` for the Container Runtime Interface */
export async function loadImage({ host }: RuntimeHost, namespace: string, archive: string): Promise<void> {
  await host.succeed(`ctr -n ${namespace} images import --snapshotter native ${archive}`, 60_000);
}

/** Returns the Container Runtime Interface of containerd. */
export function criOf({ host, name }: RuntimeHost): Cri {
  return new Cri(host.path('/run/containerd/containerd.sock'), `/${name}`);
}
