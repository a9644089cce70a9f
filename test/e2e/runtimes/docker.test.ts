/** Debian's dockerd, which has no CNI: a container without a network gets an interface in its namespace. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../fixture/host.ts';
import { imageName, sleep } from './busybox-image.ts';
import { imageLeftOut, leftOut, printTried, RuntimeHost, runDaemon } from './runtime-host.ts';

const isLeftOut = leftOut('docker', { dockerd: 'docker.io', docker: 'docker.io', containerd: 'containerd' });

/** Waiting time: the daemon answers DEL before it asks the grid, and finds a dead container after --reap-after. */
const release = { timeout: 60_000 };

let runtime: RuntimeHost;

/** Settings of dockerd: no network of its own, and copies of files instead of an overlay. */
const flags = '--bridge none --iptables=false --ip6tables=false --storage-driver vfs';

beforeAll(async () => {
  if (isLeftOut) return;
  runtime = await RuntimeHost.start();
  const { host } = runtime;
  await host.start('dockerd', `dockerd ${flags} --cgroup-parent /${runtime.name}`);
  await until('dockerd serves', async () => (await host.run('docker info')).exitCode === 0);
  await host.succeed('docker load --input /run/busybox.tar');
  printTried('docker.io', 'containerd', 'runc', 'containernetworking-plugins');
}, 120_000);

afterAll(() => runtime?.stop());

/** Calls the plugins for a namespace of the host. */
const prepare = (id: string) => `${netconf}
ip netns add ${id}
CNI_COMMAND=ADD CNI_CONTAINERID=${id} CNI_IFNAME=eth0 CNI_NETNS=/run/netns/${id} CNI_PATH=/usr/lib/cni /usr/lib/cni/bridge </run/net-1.conf`;
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
  test('a container that gets an interface afterwards has an address of the grid until it ends', async () => {
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

  test('a DEL releases the address while the container keeps running', async () => {
    const { host } = runtime;
    await host.succeed(`${start('web-2')}\n${call('DEL')}`);
    await expect.poll(() => runtime.reserved(), release).toEqual([]);
    expect(await host.succeed('docker ps --format "{{.Names}}"')).toBe('web-2\n');
  });
});

describe.skipIf(isLeftOut || imageLeftOut('docker'))('the daemon as a container of docker', () => {
  test('serves plugins of the host from the image of make image, and can be replaced by another one', async () => {
    const { host } = runtime;
    await runtime.makeWayForContainer();
    await host.succeed('docker rm --force $(docker ps --all --quiet)');
    const first = await host.succeed(runDaemon);
    expect(first).toMatch(/loading localhost\/infoblox-cni-daemon:\S+ from /);
    expect(first).toMatch(/the daemon answers at \/run\/cni\/infoblox\.sock: well$/m);
    await host.succeed(prepare('web-3'));
    const [{ ipv4addr } = { ipv4addr: '' }] = await runtime.reserved();
    expect(await host.succeed('ip -n web-3 -4 address show eth0')).toContain(`inet ${ipv4addr}/24`);
    const second = await host.succeed(runDaemon);
    expect(second).toContain('replacing the container infoblox-cni-daemon');
    expect(second).not.toContain('loading');
    expect((await runtime.reserved()).map((object) => object.ipv4addr)).toEqual([ipv4addr]);
    await host.succeed('ip netns del web-3');
    await expect.poll(() => runtime.reserved(), release).toEqual([]);
  });

  test('is not replaced if the new daemon would not start, and the script gives the reason', async () => {
    const { host } = runtime;
    const running = await host.succeed('docker ps --quiet --no-trunc');
    const { exitCode, stdout } = await host.run(`${runDaemon.replace(' 2>', ' --prefix-length=99 2>')}`);
    expect({ exitCode, stdout }).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('--prefix-length') });
    expect(stdout).toContain('nothing was changed');
    expect(await host.succeed('docker ps --quiet --no-trunc')).toBe(running);
  });

  test('is ended if it does not answer, and the script prints the last lines of its log', async () => {
    const { host } = runtime;
    await host.succeed('docker stop infoblox-cni-daemon && chown 1000 /var/lib/infoblox-cni');
    const { exitCode, stdout } = await host.run(runDaemon);
    expect({ exitCode, stdout }).toMatchObject({
      exitCode: 1,
      stdout: expect.stringContaining('the last lines of the container:'),
    });
    expect(stdout).toContain('/var/lib/infoblox-cni belongs to uid 1000, not to root');
    expect(await host.succeed('docker ps --quiet')).toBe('');
  });
});
