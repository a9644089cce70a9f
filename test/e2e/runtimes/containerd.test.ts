/** containerd and runc on a host of their own, used by `ctr` and by the kubelet's Container Runtime Interface. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../fixture/host.ts';
import { findNewest, type Newest } from '../../fixture/newest.ts';
import { blocksOf, project } from '../../fixture/pages.ts';
import { imageName, sleep } from './busybox-image.ts';
import { criOf, loadImage, programs, startContainerd, useNewest } from './containerd-host.ts';
import type { Cri, Pod } from './cri.ts';
import { imageLeftOut, leftOut, printTried, RuntimeHost } from './runtime-host.ts';

const isLeftOut = leftOut('containerd', programs);
const newest = isLeftOut ? undefined : findNewest();
/** Origins of containerd and the main plugins. */
const origins = [
  { origin: 'the Debian of this host' },
  ...(newest === undefined ? [] : [{ origin: 'testing', newest }]),
];

/** Waiting time: the daemon answers DEL before it asks the grid, and finds a dead container after --reap-after. */
const release = { timeout: 60_000 };

const pod = (name: string): Pod => ({ name, namespace: 'shop', uid: `5f0c2e9a-${name}` });

describe.skipIf(isLeftOut).each(origins)('of $origin', ({ newest }: { newest?: Newest }) => {
  let runtime: RuntimeHost;
  let cri: Cri;

  beforeAll(async () => {
    runtime = await RuntimeHost.start();
    if (newest !== undefined) await useNewest(runtime, newest);
    runtime.configure('containerd and nerdctl', '10-net-1.conflist');
    await startContainerd(runtime);
    // At the end of a container `ctr` looks for plugins only here, at its start in Debian's directory, too.
    await runtime.host.succeed('mkdir -p /opt/cni/bin && ln -s /usr/lib/cni/* /opt/cni/bin');
    for (const namespace of [runtime.name, 'k8s.io']) await loadImage(runtime, namespace, '/run/busybox.tar');
    cri = criOf(runtime);
    if (newest === undefined) printTried('containerd', 'runc', 'containernetworking-plugins');
    else process.stderr.write(`tried: ${newest.versions}\n`);
  }, 60_000);

  afterAll(() => runtime?.stop());

  const ctr = (command: string) => `ctr -n ${runtime.name} ${command}`;
  const run = (flags: string, id: string) =>
    ctr(`run ${flags} --cni --snapshotter native ${imageName} ${id} ${sleep.join(' ')}`);
  /** Throws unless a container has an address on its interface. Only the status counts, as ctr may lose the output of a short task. */
  const seesAddress = (id: string, address: string) => {
    const look = `/bin/busybox ip -4 address show eth0 | /bin/busybox grep -F "inet ${address}/24"`;
    return runtime.host.succeed(ctr(`task exec --exec-id look ${id} /bin/busybox sh -c '${look}'`));
  };

  describe('ctr run --cni', () => {
    test('a container has its address from the grid, through a restart of the daemon, until it ends', async () => {
      const { host } = runtime;
      await host.start('web-1', run('--rm', 'web-1'));
      await expect
        .poll(() => host.run(ctr('task ls')).then(({ stdout }) => stdout), release)
        .toMatch(/web-1 .*RUNNING/);
      const [{ ipv4addr, comment } = { ipv4addr: '', comment: '' }] = await runtime.reserved();
      expect(comment).toMatch(new RegExp(`network=net-1 container=${runtime.name}-web-1 interface=eth0$`));
      await seesAddress('web-1', ipv4addr);
      await host.succeed(`busybox ping -c1 -w5 ${ipv4addr}`);
      await runtime.restartDaemon();
      expect((await runtime.reserved()).map((object) => object.ipv4addr)).toEqual([ipv4addr]);
      await host.succeed(ctr('task kill --signal KILL web-1'));
      await expect.poll(() => runtime.reserved(), release).toEqual([]);
    });

    test('a container that ends without a DEL has its address released', async () => {
      const { host } = runtime;
      // ctr did not end the container, so it sends no DEL. The path of the namespace, /proc/PID/ns/net, ends with the process.
      await host.succeed(run('--detach', 'web-2'));
      expect(await runtime.reserved()).toHaveLength(1);
      await host.succeed(`kill -KILL $(${ctr('task ls')} | awk '$1 == "web-2" { print $2 }')`);
      await expect.poll(() => runtime.reserved(), release).toEqual([]);
      expect(host.log('daemon')).toContain('sandbox is gone; releasing');
    });
  });

  describe('pods of the Container Runtime Interface', () => {
    test('have addresses of the grid, and reach each other, across restarts of daemon and containerd', async () => {
      const { host } = runtime;
      const pods = [await cri.runPodSandbox(pod('web-1')), await cri.runPodSandbox(pod('web-2'))];
      await Promise.all([runtime.restartDaemon(), host.end('containerd').then(() => startContainerd(runtime))]);
      pods.push(await cri.runPodSandbox(pod('web-3')));
      const addresses = await Promise.all(pods.map((id) => cri.podAddress(id)));
      const reserved = await runtime.reserved();
      expect(reserved.map(({ ipv4addr, name }) => [name, ipv4addr])).toEqual([
        ['shop/web-1', addresses[0]],
        ['shop/web-2', addresses[1]],
        ['shop/web-3', addresses[2]],
      ]);
      expect(reserved[0]?.comment).toContain(` container=${pods[0]} interface=eth0`);
      const pings = addresses.map((address) => `nsenter --net=$namespace busybox ping -c1 -w5 ${address}`).join(' && ');
      await host.succeed(
        `for namespace in /run/netns/cni-*; do ip -n \${namespace##*/} link set lo up; ${pings} || exit 1; done`,
      );
      for (const id of pods) {
        await cri.stopPodSandbox(id);
        await cri.removePodSandbox(id);
      }
      await expect.poll(() => runtime.reserved(), release).toEqual([]);
    });

    test('release their address when the kubelet removes a killed sandbox', async () => {
      const id = await cri.runPodSandbox(pod('web-4'));
      await runtime.host.succeed(`ctr -n k8s.io task kill --signal KILL ${id}`);
      expect(await runtime.reserved()).toHaveLength(1);
      await cri.removePodSandbox(id);
      await expect.poll(() => runtime.reserved(), release).toEqual([]);
    });

    test.skipIf(newest === undefined)(
      'with CNI 1.1.0 cannot start while no daemon answers, as containerd asks STATUS',
      async () => {
        const { host } = runtime;
        const write = (version: string) =>
          host.succeed(`sed -i 's/"cniVersion": "[0-9.]*"/"cniVersion": "${version}"/' ${file}`);
        const file = '/etc/cni/net.d/10-net-1.conflist';
        await write('1.1.0');
        await expect.poll(() => cri.isNetworkReady(), release).toBe(true);
        const id = await cri.runPodSandbox(pod('web-7'));
        expect((await runtime.reserved()).map(({ ipv4addr }) => ipv4addr)).toEqual([await cri.podAddress(id)]);
        await host.end('daemon');
        await expect.poll(() => cri.isNetworkReady(), release).toBe(false);
        await runtime.startDaemon();
        await expect.poll(() => cri.isNetworkReady(), release).toBe(true);
        await cri.removePodSandbox(id);
        await expect.poll(() => runtime.reserved(), release).toEqual([]);
        await write('1.0.0');
      },
    );

    test('release their addresses even if containerd is gone with all of them', async () => {
      const { host } = runtime;
      for (const name of ['web-5', 'web-6']) await cri.runPodSandbox(pod(name));
      expect(await runtime.reserved()).toHaveLength(2);
      await host.end('containerd', 'KILL');
      await host.succeed('for namespace in $(ls /run/netns); do ip netns del $namespace; done');
      await expect.poll(() => runtime.reserved(), release).toEqual([]);
    });
  });

  describe.skipIf(imageLeftOut('containerd'))('the daemon as a container of containerd', () => {
    test('serves plugins of the host from the image of make image, as in docs/install.md', async () => {
      const { host } = runtime;
      await startContainerd(runtime);
      await runtime.makeWayForContainer();
      await host.succeed('rm -r /var/lib/infoblox-cni');
      const documented = blocksOf('docs/install.md').find(({ text }) => text.startsWith('ctr images import'));
      const settings = `export CONTAINERD_NAMESPACE=${runtime.name} CONTAINERD_SNAPSHOTTER=native; cd ${project}`;
      await host.succeed(`${settings}\n${documented?.text}`);
      await until('the daemon listens', async () => (await host.run('infoblox-cni-daemon status')).exitCode === 0);
      await host.start('web-3', run('--rm', 'web-3'));
      await expect.poll(() => runtime.reserved().then((found) => found.length), release).toBe(1);
      const [{ ipv4addr } = { ipv4addr: '' }] = await runtime.reserved();
      await expect.poll(() => host.run(`busybox ping -c1 -w1 ${ipv4addr}`), release).toMatchObject({ exitCode: 0 });
      // There is no DEL: the daemon sees among the processes of the host that this one is gone.
      await host.succeed(`kill -KILL $(cat /run/web-3.pid) $(${ctr('task ls')} | awk '$1 == "web-3" { print $2 }')`);
      await expect.poll(() => runtime.reserved(), release).toEqual([]);
    });
  });
});
