/** Debian's dockerd, which has no CNI either: a container without a network is given an interface in its namespace. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../fixture/host.ts';
import { imageName, sleep } from './busybox-image.ts';
import { leftOut, printTried, RuntimeHost } from './runtime-host.ts';

const isLeftOut = leftOut('docker', { dockerd: 'docker.io', docker: 'docker.io', containerd: 'containerd' });

/** The daemon answers DEL before it asks the grid; a container without a DEL is noticed after --reap-after. */
const release = { timeout: 15_000 };

let runtime: RuntimeHost;

/** No network of docker's own, and copies of files in the place of an overlay. */
const flags = '--bridge none --iptables=false --ip6tables=false --storage-driver vfs';

beforeAll(async () => {
  if (isLeftOut) return;
  runtime = await RuntimeHost.start();
  const { host } = runtime;
  await host.start('dockerd', `dockerd ${flags} --cgroup-parent /${runtime.name}`);
  await until('dockerd serves', async () => (await host.run('docker info')).exitCode === 0, 20_000);
  await host.succeed('docker load --input /run/busybox.tar');
  printTried('docker.io', 'containerd', 'runc', 'containernetworking-plugins');
}, 60_000);

afterAll(() => runtime?.stop(), 30_000);

const netconf = `cat >/run/net-1.conf <<'END'
{ "cniVersion": "1.0.0", "name": "net-1", "type": "bridge", "bridge": "cni-net-1", "isGateway": true,
  "ipam": { "type": "infoblox", "subnet": "172.18.1.0/24", "gateway": "172.18.1.1", "network-view": "priv-view" } }
END`;
const call = (command: string) =>
  `CNI_COMMAND=${command} CNI_CONTAINERID=$id CNI_IFNAME=eth0 CNI_NETNS=/proc/$pid/ns/net CNI_PATH=/usr/lib/cni /usr/lib/cni/bridge </run/net-1.conf`;
const start = (name: string) => `${netconf}
id=$(docker run --detach --name ${name} --network none ${imageName} ${sleep.join(' ')})
pid=$(docker inspect --format '{{.State.Pid}}' $id)
${call('ADD')}`;

describe.skipIf(isLeftOut)('docker run --network none', () => {
  test('a container that is given an interface afterwards has its address from the grid until it ends', async () => {
    const { host } = runtime;
    await host.succeed(start('web-1'));
    const [{ ipv4addr } = { ipv4addr: '' }] = await runtime.reserved();
    expect(await host.succeed('docker exec web-1 /bin/busybox ip -4 address show eth0')).toContain(
      `inet ${ipv4addr}/24`,
    );
    await host.succeed(`busybox ping -c1 -w5 ${ipv4addr}`);
    await runtime.restartDaemon();
    await host.succeed('docker rm --force web-1');
    await expect.poll(() => runtime.reserved(), release).toEqual([]);
    expect(host.log('daemon')).toContain('sandbox is gone; releasing');
  });

  test('a DEL gives the address back while the container lives on', async () => {
    const { host } = runtime;
    await host.succeed(`${start('web-2')}\n${call('DEL')}`);
    await expect.poll(() => runtime.reserved(), release).toEqual([]);
    expect(await host.succeed('docker ps --format "{{.Names}}"')).toBe('web-2\n');
  });
});
