/** Debian's podman 5, which has no CNI: its containers start in a network namespace that already has its interface. */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { imageName, sleep } from './busybox-image.ts';
import { podmanSettings } from './podman-settings.ts';
import { imageLeftOut, leftOut, printTried, RuntimeHost, runDaemon } from './runtime-host.ts';

const isLeftOut = leftOut('podman', { podman: 'podman', runc: 'runc' });

/** Waiting time: the daemon answers DEL before it asks the grid, and finds a dead container after --reap-after. */
const release = { timeout: 60_000 };

let runtime: RuntimeHost;

beforeAll(async () => {
  if (isLeftOut) return;
  runtime = await RuntimeHost.start();
  const { host } = runtime;
  await host.succeed('mkdir -p /etc/containers');
  for (const [file, text] of Object.entries(podmanSettings)) writeFileSync(host.path(`/etc/containers/${file}`), text);
  await host.succeed('podman load --quiet --input /run/busybox.tar');
  printTried('podman', 'conmon', 'runc', 'containernetworking-plugins');
}, 60_000);

afterAll(() => runtime?.stop());

/** Makes a namespace and its interface by hand, like docs/runtimes.md. */
const prepare = (id: string) => `cat >/run/net-1.conf <<'END'
{ "cniVersion": "1.0.0", "name": "net-1", "type": "bridge", "bridge": "cni-net-1", "isGateway": true,
  "ipam": { "type": "infoblox", "subnet": "172.18.1.0/24", "gateway": "172.18.1.1", "network-view": "priv-view" } }
END
ip netns add ${id} && ${call('ADD', id)}`;
const call = (command: string, id: string) =>
  `CNI_COMMAND=${command} CNI_CONTAINERID=${id} CNI_IFNAME=eth0 CNI_NETNS=/run/netns/${id} CNI_PATH=/usr/lib/cni /usr/lib/cni/bridge </run/net-1.conf`;
const run = (id: string) =>
  `podman run --detach --name ${id} --network ns:/run/netns/${id} --cgroup-parent /${runtime.name} ${imageName} ${sleep.join(' ')}`;
const inside = (id: string) => runtime.host.succeed(`podman exec ${id} /bin/busybox ip -4 address show eth0`);

describe.skipIf(isLeftOut)('podman run --network ns:PATH', () => {
  test('a container uses the address of its namespace across restarts of itself and of the daemon', async () => {
    const { host } = runtime;
    await host.succeed(prepare('web-1'));
    await host.succeed(run('web-1'));
    const [{ ipv4addr } = { ipv4addr: '' }] = await runtime.reserved();
    expect(await inside('web-1')).toContain(`inet ${ipv4addr}/24`);
    await host.succeed(`busybox ping -c1 -w5 ${ipv4addr}`);
    await Promise.all([host.succeed('podman restart --time 0 web-1'), runtime.restartDaemon()]);
    expect(await inside('web-1')).toContain(`inet ${ipv4addr}/24`);
    expect(await runtime.reserved()).toMatchObject([{ ipv4addr, name: 'web-1' }]);
    await host.succeed(`podman rm --force --time 0 web-1 && ${call('DEL', 'web-1')} && ip netns del web-1`);
    await expect.poll(() => runtime.reserved(), release).toEqual([]);
  });

  test('without a DEL the address is released when the namespace is gone', async () => {
    const { host } = runtime;
    await host.succeed(prepare('web-2'));
    await host.succeed(run('web-2'));
    expect(await runtime.reserved()).toHaveLength(1);
    await host.succeed('podman rm --force --time 0 web-2 && ip netns del web-2');
    await expect.poll(() => runtime.reserved(), release).toEqual([]);
  });
});

describe.skipIf(isLeftOut || imageLeftOut('podman'))('the daemon as a container of podman', () => {
  test('serves plugins of the host from the image of make image, and can be replaced by another one', async () => {
    const { host } = runtime;
    await runtime.makeWayForContainer();
    // The script does not know the control groups of the test.
    const wrapper = `if [ "$1" = run ]; then shift; set -- run --cgroup-parent /${runtime.name} "$@"; fi`;
    writeFileSync(host.path('/run/podman'), `#!/bin/sh\n${wrapper}\nexec podman "$@"\n`, { mode: 0o755 });
    const first = await host.succeed(`DOCKER=/run/podman ${runDaemon}`);
    expect(first).toMatch(/loading localhost\/infoblox-cni-daemon:\S+ from /);
    expect(first).toMatch(/the daemon answers at \/run\/cni\/infoblox\.sock: well$/m);
    await host.succeed(prepare('web-3'));
    const [{ ipv4addr } = { ipv4addr: '' }] = await runtime.reserved();
    expect(await host.succeed('ip -n web-3 -4 address show eth0')).toContain(`inet ${ipv4addr}/24`);
    const second = await host.succeed(`DOCKER=/run/podman ${runDaemon}`);
    expect(second).toContain('replacing the container infoblox-cni-daemon');
    expect(second).not.toContain('loading');
    expect((await runtime.reserved()).map((object) => object.ipv4addr)).toEqual([ipv4addr]);
    await host.succeed('ip netns del web-3');
    await expect.poll(() => runtime.reserved(), release).toEqual([]);
  });

  test('has the limits of the host, and users other than root can try it', async () => {
    const { host } = runtime;
    const image = (await host.succeed('podman inspect --format "{{.ImageName}}" infoblox-cni-daemon')).trim();
    const status = await host.succeed(
      'cat /proc/$(podman inspect --format "{{.State.Pid}}" infoblox-cni-daemon)/status',
    );
    expect(status).toMatch(/^Uid:\s+0\s/m);
    expect(status).toMatch(/^CapEff:\s+0000000000080000$/m); // CAP_SYS_PTRACE, for the network namespaces under /proc.
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    const check = `check-config --grid-host=grid.example.com --socket-dir=/run/own --state-dir=/run/own`;
    expect(await host.succeed(`/run/podman run --rm --network host --user nobody ${image} ${check}`)).toMatch(
      /^grid .*\n.*configuration accepted\n$/s,
    );
  });
});
