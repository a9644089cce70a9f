/** Real main plugins connect real network namespaces to networks with addresses from the grid. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../fixture/host.ts';
import { findNewest } from '../fixture/newest.ts';
import { useBuiltHost } from './built-host-fixture.ts';
import { type Container, kernelHas, labObstacle, type MainNetconf, NetworkLab } from './network-lab.ts';

/** Waiting time, as the daemon answers DEL before it asks the grid. */
const release = { timeout: 60_000 };

/** In CI, where everything is installed, the tests fail instead of being skipped. */
const obstacle = labObstacle();
const leftOut = obstacle !== undefined && process.env.CI === undefined;
if (leftOut) process.stderr.write(`left out: real network namespaces: ${obstacle}\n`);
// A kernel with ipvlan cannot be installed, not even in CI: report its lack, and test the claim without ipvlan below.
const ipvlan = obstacle === undefined && kernelHas('ipvlan');
if (obstacle === undefined && !ipvlan) process.stderr.write('left out: ipvlan: this kernel has no such links\n');

const newest = obstacle === undefined ? findNewest() : undefined;
/** Main plugins, with the versions of CNI that all of them accept. None is that of rkt. */
const pluginSets = [
  { plugins: 'this host', directory: undefined, versions: [undefined, '0.3.1', '0.4.0', '1.0.0'] },
  ...(newest === undefined
    ? []
    : [{ plugins: 'testing', directory: newest.plugins, versions: [undefined, '0.4.0', '1.0.0', '1.1.0'] }]),
];

const fixture = useBuiltHost();
let lab: NetworkLab;

beforeEach(() => {
  lab = new NetworkLab();
});
afterEach(() => {
  lab?.dispose();
});

type Json = Record<string, unknown>;
type Netconf = MainNetconf;

let networks = 0;

/** Returns a network for each test, 10.N.0.0/24. */
function netconf(cniVersion: string | undefined, main: Netconf, ipam: Json = {}) {
  networks += 1;
  const subnet = `10.${networks}.0.0/24`;
  const gateway = `10.${networks}.0.1`;
  const routes = [{ dst: '172.18.0.0/24' }];
  const usual = { type: 'infoblox', 'socket-dir': fixture.host.socketDir, subnet, gateway, routes };
  const conf: Netconf = { name: `net-${networks}`, ...main, ipam: { ...usual, ...ipam } };
  return { conf: cniVersion === undefined ? conf : { cniVersion, ...conf }, subnet, gateway };
}

async function succeed(command: string, container: Container, conf: Netconf, ifName = 'eth0'): Promise<string> {
  const { exitCode, stdout, stderr } = await lab.runMainPlugin(command, container, ifName, conf);
  expect(exitCode, `${command}: ${stdout}${stderr}`).toBe(0);
  return stdout;
}

/** Lists the addresses of containers in a network on the grid. */
function reserved(subnet: string): string[] {
  const inside = fixture.grid.fixedAddresses().filter(({ network, name }) => network === subnet && name !== 'gateway');
  return inside.map(({ ipv4addr }) => ipv4addr);
}

const mains: Record<string, () => Netconf> = {
  bridge: () => ({ type: 'bridge', bridge: 'br0', isGateway: true }),
  macvlan: () => ({ type: 'macvlan', master: lab.addMaster() }),
  ptp: () => ({ type: 'ptp' }),
  ...(ipvlan ? { ipvlan: () => ({ type: 'ipvlan', master: lab.addMaster() }) } : {}),
};
const rows = pluginSets.flatMap((set) =>
  Object.keys(mains).flatMap((type) => set.versions.map((version) => ({ ...set, type, version }))),
);

describe.skipIf(leftOut)('a container can be added, checked and deleted', () => {
  test.each(rows)('through $type of $plugins, cniVersion $version', async ({ type, version, directory }) => {
    if (directory !== undefined) lab.usePlugins(directory);
    const { conf, subnet, gateway } = netconf(version, mains[type]?.() ?? { type });
    const container = lab.addContainer();
    const result = JSON.parse(await succeed('ADD', container, conf));
    const [address = ''] = reserved(subnet);
    expect(reserved(subnet)).toHaveLength(1);
    const shown = version === undefined ? result.ip4.ip : result.ips[0].address;
    expect(shown).toBe(`${address}/24`);
    expect(lab.addresses(container, 'eth0')).toEqual([`${address}/24`]);
    expect(lab.routes(container)).toContain(`172.18.0.0/24 via ${gateway}`);
    const [object] = fixture.grid.fixedAddresses().filter(({ ipv4addr }) => ipv4addr === address);
    expect(object?.comment).toContain(`container=${container.id} interface=eth0`);

    const checked = version !== undefined && version !== '0.3.1';
    const withResult: Netconf = checked ? { ...conf, prevResult: result } : conf;
    if (checked) await succeed('CHECK', container, withResult);
    await succeed('DEL', container, withResult);
    await expect.poll(() => reserved(subnet), release).toEqual([]);
    expect(() => lab.addresses(container, 'eth0')).toThrow('does not exist');
    await succeed('DEL', container, conf);
  });
});

describe.skipIf(leftOut)('containers with an address of each family', () => {
  test.each(Object.keys(mains))('can be added, reach each other, and can be deleted through %s', async (type) => {
    const { conf, subnet } = netconf('1.0.0', mains[type]?.() ?? { type });
    const subnet6 = `fd00:18:${networks}::/64`;
    const routes = [{ dst: '0.0.0.0/0' }, { dst: '::/0' }];
    const ranges = [[{ subnet }], [{ subnet: subnet6 }]];
    const dual: Netconf = { ...conf, ipam: { type: 'infoblox', 'socket-dir': fixture.host.socketDir, ranges, routes } };
    const containers = [lab.addContainer(), lab.addContainer()];
    for (const container of containers) {
      const prevResult = JSON.parse(await succeed('ADD', container, dual));
      expect(prevResult.ips).toHaveLength(2);
      await succeed('CHECK', container, { ...dual, prevResult });
    }
    const [one, other] = containers as [Container, Container];
    const sixth = lab.ipInside(other, '-6', 'addr', 'show', 'dev', 'eth0', 'scope', 'global');
    const targets = [lab.addresses(other, 'eth0')[0], /inet6 (\S+)/.exec(sixth)?.[1]];
    for (const target of targets) {
      const ping = ['busybox', 'ping', '-c1', '-w10', `${target}`.replace(/\/.*/, '')];
      const { exitCode, stdout, stderr } = await lab.runInside(one, ping);
      expect(exitCode, `${ping.join(' ')}: ${stdout}${stderr}`).toBe(0);
    }
    for (const container of containers) await succeed('DEL', container, dual);
    const left = () => fixture.grid.objects('ipv6fixedaddress').filter(({ network }) => network === subnet6);
    await expect.poll(() => [reserved(subnet), left().length], release).toEqual([[], 1]);
  });
});

describe.skipIf(leftOut)(
  'the example in the original driver’s documentation, whose route has no next hop, passes CHECK',
  () => {
    const ipam = () => ({
      ...{ type: 'infoblox', 'socket-dir': fixture.host.socketDir, 'network-view': 'priv-view' },
      ...{ subnet: '172.18.1.0/24', gateway: '172.18.1.1', routes: [{ dst: '172.18.0.0/24' }] },
    });

    test.each([
      ['bridge', () => ({ type: 'bridge', bridge: 'br0', isGateway: true })],
      ['macvlan', () => ({ type: 'macvlan', master: lab.addMaster() })],
      ['ptp', () => ({ type: 'ptp' })],
      ['host-device', () => ({ type: 'host-device', device: lab.addMaster() })],
    ])('through %s, in the newest version that it accepts', async (type, main) => {
      const container = lab.addContainer();
      const { supportedVersions } = JSON.parse(await succeed('VERSION', container, { type }));
      const conf = { cniVersion: supportedVersions.at(-1), name: 'net-1', ...main(), ipam: ipam() };
      const prevResult = JSON.parse(await succeed('ADD', container, conf));
      expect(lab.routes(container)).toContain('172.18.0.0/24 via 172.18.1.1');
      await succeed('CHECK', container, { ...conf, prevResult });
      await succeed('DEL', container, { ...conf, prevResult });
      await expect
        .poll(() => fixture.grid.fixedAddresses('priv-view').map(({ ipv4addr }) => ipv4addr), release)
        .toEqual(['172.18.1.1']);
    });
  },
);

describe.skipIf(newest === undefined)('main plugins that know CNI 1.1.0', () => {
  beforeEach(() => lab.usePlugins(newest?.plugins ?? ''));

  test.each(Object.keys(mains))('pass STATUS to the driver, and answer with its result: %s', async (type) => {
    const { conf } = netconf('1.1.0', mains[type]?.() ?? { type });
    const container = lab.addContainer();
    await fixture.host.daemon.says('grid available');
    expect(await succeed('STATUS', container, conf)).toBe('');
    const ipam = { ...(conf.ipam as Json), 'socket-dir': '/run/no-daemon' };
    const { exitCode, stdout } = await lab.runMainPlugin('STATUS', container, 'eth0', { ...conf, ipam });
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ code: 50 });
  });

  test.each(Object.keys(mains))('do not pass on GC: %s', async (type) => {
    const { conf } = netconf('1.1.0', mains[type]?.() ?? { type });
    const container = lab.addContainer();
    await succeed('ADD', container, conf);
    await succeed('GC', container, { ...conf, 'cni.dev/valid-attachments': [] });
    await succeed('DEL', container, conf);
    await fixture.host.daemon.says(`"command":"DEL","network":"${conf.name}"`);
    expect(fixture.host.daemon.log).not.toContain('"command":"GC"');
  });
});

describe.skipIf(leftOut)('through the real bridge', () => {
  const bridge = { type: 'bridge', bridge: 'br0', isGateway: true };

  test('a configuration of rkt, without a version, gets a result that rkt can read', async () => {
    const routes = [{ dst: '172.18.0.0/24' }];
    const { conf, gateway } = netconf(undefined, bridge, { routes });
    const container = lab.addContainer();
    const result = JSON.parse(await succeed('ADD', container, conf));
    const told = [{ dst: '172.18.0.0/24', gw: gateway }];
    expect(result.ip4).toEqual({ ip: expect.stringMatching(/^10\.\d+\.0\.2\/24$/), gateway, routes: told });
    expect(result).not.toHaveProperty('ips');
    expect(lab.routes(container)).toContain(`172.18.0.0/24 via ${gateway}`);
    await succeed('DEL', container, conf);
  });

  test('CHECK fails if an administrator has removed the reservation', async () => {
    const { conf, subnet } = netconf('1.0.0', bridge);
    const container = lab.addContainer();
    const prevResult = JSON.parse(await succeed('ADD', container, conf));
    const lost = fixture.grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === reserved(subnet)[0]);
    fixture.grid.remove(lost?._ref ?? '');
    const check = await lab.runMainPlugin('CHECK', container, 'eth0', { ...conf, prevResult });
    expect(check.exitCode).toBe(1);
    expect(JSON.parse(check.stdout)).toMatchObject({ code: 104, msg: expect.stringContaining('lost its reservation') });
    await succeed('DEL', container, { ...conf, prevResult });
  });

  test('a container on one network twice has two addresses, and loses them one by one', async () => {
    const { conf, subnet } = netconf('1.0.0', bridge);
    const container = lab.addContainer();
    for (const ifName of ['eth0', 'eth1']) await succeed('ADD', container, conf, ifName);
    const [first] = lab.addresses(container, 'eth0');
    const [second] = lab.addresses(container, 'eth1');
    expect(first).not.toBe(second);
    await succeed('DEL', container, conf, 'eth0');
    await expect.poll(() => reserved(subnet).map((address) => `${address}/24`), release).toEqual([second]);
    await succeed('DEL', container, conf, 'eth1');
    await expect.poll(() => reserved(subnet), release).toEqual([]);
  });

  test('DEL releases the address if the namespace is gone, or CNI_NETNS empty', async () => {
    const { conf, subnet } = netconf('1.0.0', bridge);
    const gone = lab.addContainer();
    const forgotten = lab.addContainer();
    for (const container of [gone, forgotten]) await succeed('ADD', container, conf);
    expect(reserved(subnet)).toHaveLength(2);
    lab.removeContainer(gone);
    await succeed('DEL', gone, conf);
    await expect.poll(() => reserved(subnet), release).toHaveLength(1);
    await succeed('DEL', { ...forgotten, netns: '' }, conf);
    await expect.poll(() => reserved(subnet), release).toEqual([]);
  });

  test('without a gateway in the configuration, the address that the bridge takes is never given', async () => {
    const { conf, subnet, gateway } = netconf('1.0.0', bridge, { gateway: undefined });
    const container = lab.addContainer();
    await succeed('ADD', container, conf);
    expect(lab.ip('-4', 'addr', 'show', 'dev', 'br0')).toContain(`inet ${gateway}/24`);
    expect(reserved(subnet)).not.toContain(gateway);
    await succeed('DEL', container, conf);
  });

  test('an error of the driver reaches the runtime, and the DEL that follows succeeds', async () => {
    const { conf } = netconf('1.0.0', bridge, { subnet: '10.0.0.5/24' });
    const container = lab.addContainer();
    const { exitCode, stdout } = await lab.runMainPlugin('ADD', container, 'eth0', conf);
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      code: 7,
      msg: expect.stringContaining('10.0.0.5/24 has host bits set'),
    });
    await succeed('DEL', container, conf);
    expect(() => lab.addresses(container, 'eth0')).toThrow('does not exist');
  });

  test('eight containers at once get eight addresses', async () => {
    const { conf, subnet } = netconf('1.0.0', bridge);
    await succeed('ADD', lab.addContainer(), conf);
    const containers = Array.from({ length: 8 }, () => lab.addContainer());
    await Promise.all(containers.map((container) => succeed('ADD', container, conf)));
    const inside = containers.map((container) => lab.addresses(container, 'eth0')[0]);
    expect(new Set(inside).size).toBe(8);
    expect(reserved(subnet)).toHaveLength(9);
  });
});

describe.skipIf(leftOut)('two containers with one hardware address keep two addresses', () => {
  async function keepTwo(conf: Netconf, subnet: string): Promise<void> {
    const [one, other] = [lab.addContainer(), lab.addContainer()];
    for (const container of [one, other]) await succeed('ADD', container, conf);
    expect(lab.mac(one, 'eth0')).toBe(lab.mac(other, 'eth0'));
    const [kept = ''] = lab.addresses(other, 'eth0');
    expect(lab.addresses(one, 'eth0')).not.toEqual([kept]);
    await succeed('DEL', one, conf);
    await expect.poll(() => reserved(subnet).map((address) => `${address}/24`), release).toEqual([kept]);
    await succeed('DEL', other, conf);
    await until('both are given back', () => reserved(subnet).length === 0);
  }

  test('if it is set by hand, through the bridge', async () => {
    const mac = { capabilities: { mac: true }, runtimeConfig: { mac: '02:00:00:00:00:07' } };
    const { conf, subnet } = netconf('1.0.0', { type: 'bridge', bridge: 'br0', ...mac });
    await keepTwo(conf, subnet);
  });

  test.skipIf(!ipvlan)('if they share it with their master, through ipvlan', async () => {
    const { conf, subnet } = netconf('1.0.0', { type: 'ipvlan', master: lab.addMaster() });
    await keepTwo(conf, subnet);
  });
});
