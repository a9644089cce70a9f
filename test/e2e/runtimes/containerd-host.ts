/** containerd on a host of its own. */
import { writeFileSync } from 'node:fs';
import { until } from '../../fixture/host.ts';
import type { Newest } from '../../fixture/newest.ts';
import { imageName } from './busybox-image.ts';
import { Cri } from './cri.ts';
import type { RuntimeHost } from './runtime-host.ts';

/** What has to be installed, with the Debian packages that bring it. */
export const programs = { containerd: 'containerd', ctr: 'containerd', runc: 'runc' } as const;

/**
 * Copies of files in the place of an overlay, which a file system in memory or in a container may not have below it. The kernel
 * lets only what has CAP_SYS_RESOURCE prefer a process when memory runs out, as the sandboxes of pods are by default.
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
 * Starts containerd, for the first time or again; its process is called `containerd`.
 * @param plugins directory of CNI plugins; unless given, Debian's
 */
export async function startContainerd(runtime: RuntimeHost, plugins = '/usr/lib/cni'): Promise<void> {
  const { host } = runtime;
  const cni = `[plugins."io.containerd.grpc.v1.cri".cni]\nbin_dir = "${plugins}"\n`;
  writeFileSync(host.path('/run/containerd.toml'), config + cni);
  await host.start('containerd', 'containerd --config /run/containerd.toml');
  await until('containerd serves', async () => (await host.run('ctr version')).exitCode === 0);
  // It answers before its part for pods is initialized, which refuses every call until then.
  const servesPods = () =>
    criOf(runtime)
      .isNetworkReady()
      .then(
        () => true,
        () => false,
      );
  await until('containerd serves pods', servesPods);
}

/** Puts containerd and main plugins of another Debian in the place of the host's own. */
export async function useNewest({ host }: RuntimeHost, { programs, plugins }: Newest): Promise<void> {
  const names = ['containerd', 'containerd-shim-runc-v2', 'ctr'];
  const mounts = names.map((name) => `mount --bind ${programs}/${name} /usr/bin/${name}`);
  await host.succeed([...mounts, `mount --bind ${plugins} $ROOM/main-plugins`].join(' && '));
}

/** Loads an image from an archive. @param namespace containerd's; that of the Container Runtime Interface is `k8s.io` */
export async function loadImage({ host }: RuntimeHost, namespace: string, archive: string): Promise<void> {
  await host.succeed(`ctr -n ${namespace} images import --snapshotter native ${archive}`, 60_000);
}

/** containerd as the kubelet sees it. */
export function criOf({ host, name }: RuntimeHost): Cri {
  return new Cri(host.path('/run/containerd/containerd.sock'), `/${name}`);
}
