/** Defects of the original driver with the grid, found by running it, and the behaviour of this one. */
import { statSync } from 'node:fs';
import { expect } from 'vitest';
import { Host, until } from '../../fixture/host.ts';
import { doubtWindow, type World } from '../../fixture/world.ts';
import type { GridOptions } from '../../simulator/grid.ts';

export interface Defect {
  readonly original: string;
  readonly ours: string;
  readonly grid?: GridOptions;
  readonly flags?: readonly string[];
  readonly run: (world: World) => Promise<void>;
}

/** A network that does not exist yet. */
const fresh = { ipam: { subnet: '10.9.0.0/24', gateway: '10.9.0.1' }, config: { name: 'net-9' } };
const fromContainer = (container: string, prefix: number, name: string) => ({
  ipam: { subnet: undefined, gateway: undefined, 'network-container': container, 'prefix-length': prefix },
  config: { name },
});
/** A container whose pod requests a hardware address, which several may share. */
const sameMac = { args: 'IgnoreUnknown=1;MAC=02:00:00:00:00:42' };

const deletes = ({ grid }: World) => grid.requests.filter(({ method }) => method === 'DELETE');
const numbered = (count: number, prefix = 'c') => Array.from({ length: count }, (_, index) => `${prefix}${index}`);

export const gridDefects: readonly Defect[] = [
  {
    original: 'deleted the first address of the view, the gateway then other containers, on a DEL without a MAC',
    ours: 'removes what carries the identity, or nothing',
    async run(world) {
      const { caller, ledger } = world;
      await caller.add('c1');
      await caller.add('c2');
      expect(await caller.del('c1', { netns: '' })).toBe('ok');
      expect(await caller.del('c1', { netns: '' })).toBe('ok');
      expect(await caller.del('never-added', { netns: '/run/netns/gone' })).toBe('ok');
      await ledger.settled();
      expect(deletes(world)).toHaveLength(1);
    },
  },
  {
    original: 'sent every failed create once more, so that a lost answer took two addresses',
    ours: 'looks before it sends again',
    async run({ grid, caller, ledger }) {
      await caller.add('c0');
      grid.inject({ method: 'POST', effect: { kind: 'status', status: 502, commit: true } });
      expect(await caller.add('c1')).toBe('ok');
      expect(ledger.reservations()).toHaveLength(2);
    },
  },
  {
    original: 'crashed, with every container of the host, when a view or network could not be made',
    ours: 'says why and goes on',
    async run({ grid, caller }) {
      for (const type of ['networkview', 'network']) {
        const body = '{"Error": "AdmConDataError: no", "code": "Client.Ibap.Data", "text": "no"}';
        grid.inject({ method: 'POST', type, effect: { kind: 'status', status: 400, body } });
        expect(await caller.add('c1', { ...fresh, ipam: { ...fresh.ipam, 'network-view': 'new' } })).toBe(100);
      }
      expect(await caller.add('c1', fresh)).toBe('ok');
    },
  },
  {
    original: 'crashed when two containers were the first of a network',
    ours: 'sets the network up once for all of them',
    async run({ grid, caller }) {
      const outcomes = await Promise.all(numbered(16).map((container) => caller.add(container, fresh)));
      expect(new Set(outcomes)).toEqual(new Set(['ok']));
      const made = grid.requests.filter(({ type, status }) => type === 'network' && status === 201);
      expect(made).toHaveLength(1);
    },
  },
  {
    original: 'crashed on an IPv6 gateway, and took one outside the subnet',
    ours: 'refuses both as errors in the configuration',
    async run({ caller }) {
      expect(await caller.add('c1', { ipam: { gateway: 'fd00::1' } })).toBe(7);
      expect(await caller.add('c1', { ipam: { gateway: '192.168.1.1' } })).toBe(7);
      expect(await caller.add('c1')).toBe('ok');
    },
  },
  {
    original: 'crashed on a network with an attribute of several values',
    ours: 'reads it',
    grid: { attributes: ['Site'] },
    async run({ grid, caller, ledger }) {
      grid.add('extensibleattributedef', { name: 'Tags', type: 'STRING', flags: 'V' });
      const [network] = grid.networks('default');
      grid.update(network?._ref ?? '', { extattrs: { Tags: { value: ['a', 'b'] } } });
      ledger.rememberStrangers();
      expect(await caller.add('c1')).toBe('ok');
    },
  },
  {
    original: 'reported success without an address for a network that is labelled with another name',
    ours: 'reports a network conflict',
    grid: { cloudLicence: true },
    async run({ grid, caller, ledger }) {
      const [network] = grid.networks('default');
      grid.update(network?._ref ?? '', { extattrs: { 'Network Name': { value: 'other' } } });
      ledger.rememberStrangers();
      expect(await caller.add('c1')).toBe(102);
    },
  },
  {
    original: 'reported success without an address when two configurations shared a subnet',
    ours: 'reports a network conflict to the second',
    async run({ caller }) {
      expect(await caller.add('c1', fresh)).toBe('ok');
      expect(await caller.add('c2', { ...fresh, config: { name: 'net-10' } })).toBe(102);
    },
  },
  {
    original: 'reported success without an address in an exhausted subnet',
    ours: 'reports that no address is free, and STATUS does',
    async run({ caller }) {
      const small = { ipam: { subnet: '10.8.0.0/30', gateway: '10.8.0.1' }, config: { name: 'small' } };
      expect(await caller.add('c1', small)).toBe('ok');
      expect(await caller.add('c2', small)).toBe(101);
      expect(await caller.status(small)).toBe(50);
    },
  },
  {
    original: 'reported success without an address from an exhausted container',
    ours: 'reports that no network is free',
    async run({ caller }) {
      expect(await caller.add('c1', fromContainer('172.20.0.0/29', 30, 'a'))).toBe('ok');
      expect(await caller.add('c2', fromContainer('172.20.0.0/29', 30, 'b'))).toBe('ok');
      expect(await caller.add('c3', fromContainer('172.20.0.0/29', 30, 'c'))).toBe(101);
    },
  },
  {
    original: 'reported success without an address while the grid was down, answered 401, 500 or HTML with 200',
    ours: 'reports each as an error',
    flags: ['--add-timeout=4s'],
    async run({ grid, caller, ledger }) {
      expect(await caller.add('c0')).toBe('ok');
      for (const effect of [{ kind: 'status', status: 500 }, { kind: 'html' }] as const) {
        const disarm = grid.inject({ times: Number.POSITIVE_INFINITY, effect });
        expect(await caller.add('c1')).toBe(11);
        disarm();
      }
      await grid.pause();
      expect(await caller.add('c1')).toBe(11);
      await grid.resume();
      await until('the grid is back', async () => (await caller.status()) === 'ok');
      grid.password = 'another';
      grid.expireSessions();
      // An ADD of c1 would wait for the release of the last one's possible leftover.
      expect(await caller.add('c2')).toBe(103);
      expect(ledger.live).toHaveLength(1);
    },
  },
  {
    original: 'answered two ADDs of one container at once with "<nil>"',
    ours: 'answers both with the one address',
    async run({ host, ledger }) {
      const [one, other] = await Promise.all([host.add('c1'), host.add('c1')]);
      expect(one).toBe(other);
      expect(ledger.reservations()).toHaveLength(1);
    },
  },
  {
    original: 'lost the address for ever on a DEL with the grid down or answering 401',
    ours: 'owes it and gives it back later',
    async run({ grid, caller, ledger }) {
      await caller.add('c1');
      await grid.pause();
      expect(await caller.del('c1')).toBe('ok');
      await grid.resume();
      await ledger.settled(15_000);
    },
  },
  {
    original: 'gave two containers with one MAC one address, which the first DEL freed for both',
    ours: 'gives each its own',
    async run({ caller, ledger }) {
      expect(await caller.add('c1', sameMac)).toBe('ok');
      expect(await caller.add('c2', sameMac)).toBe('ok');
      expect(await caller.del('c1', sameMac)).toBe('ok');
      expect(await caller.check('c2')).toBe('ok');
      await ledger.settled();
    },
  },
  {
    original: 'failed an ADD when it could not write the MAC afterwards, and left the address',
    ours: 'has nothing to write afterwards: one request',
    async run({ grid, caller }) {
      await caller.add('c0');
      grid.clearLog();
      await caller.add('c1', sameMac);
      expect(grid.requests.map(({ method, type }) => `${method} ${type}`)).toEqual(['POST fixedaddress']);
    },
  },
  {
    original: 'allocated again for a repeated ADD with another MAC',
    ours: 'gives the same address: the MAC is nothing to it',
    async run({ host }) {
      expect(await host.add('c1', { args: 'MAC=02:00:00:00:00:01' })).toBe(await host.add('c1', sameMac));
    },
  },
  {
    original: 'gave a container the first host address, which the bridge then took too',
    ours: 'keeps it back',
    async run({ host, grid }) {
      const bridge = { type: 'bridge', isGateway: true, name: 'br' };
      const address = await host.add('c1', { config: bridge, ipam: { subnet: '10.7.0.0/24', gateway: undefined } });
      expect(address).toBe('10.7.0.2');
      expect(grid.fixedAddresses().map(({ ipv4addr }) => ipv4addr)).toContain('10.7.0.1');
    },
  },
  {
    original: 'made 16 networks of one name when 16 containers were its first, and ignored network-container',
    ours: 'makes one, in that container, for all hosts',
    async run(world) {
      const { caller, grid } = world;
      const other = await world.another({ node: 'host-b' });
      const network = fromContainer('172.30.0.0/16', 24, 'shared');
      const adds = [caller, other].flatMap((each, host) =>
        numbered(8, `h${host}-c`).map((container) => each.add(container, network)),
      );
      expect(new Set(await Promise.all(adds))).toEqual(new Set(['ok']));
      const made = grid.networks().filter((each) => each.network.startsWith('172.30.'));
      expect(made.map((each) => each.network)).toEqual(['172.30.0.0/24']);
    },
  },
  {
    original: 'came back from a silent grid after 600 s with success',
    ours: 'comes back in the time for an ADD with an error',
    flags: ['--add-timeout=1s'],
    async run({ grid, caller }) {
      await caller.add('c0');
      grid.inject({ times: Number.POSITIVE_INFINITY, effect: { kind: 'hang' } });
      const begin = performance.now();
      expect(await caller.add('c1')).toBe(11);
      expect(performance.now() - begin).toBeLessThan(10_000);
    },
  },
  {
    original: 'logged in eight times at a start with a wrong password',
    ours: 'once',
    async run({ grid }) {
      grid.clearLog();
      const host = await new Host(grid, { node: 'host-b', doubtWindow, flags: ['--wapi-password=wrong'] }).start();
      await until('it is refused', () => host.log.some(({ level }) => level === 'error'));
      await expect(host.add('c1')).rejects.toMatchObject({ code: 103 });
      expect(grid.requests.filter(({ status }) => status === 401)).toHaveLength(1);
      await host.dispose();
    },
  },
  {
    original: 'went on unverified with --ssl-verify=/missing.pem',
    ours: 'refuses to start',
    async run({ grid }) {
      const host = new Host(grid, { flags: ['--ssl-verify=/missing.pem'] });
      await expect(host.start()).rejects.toThrow('/missing.pem');
      await host.dispose();
    },
  },
  {
    original: 'refused to start without the cloud licence',
    ours: 'needs none',
    async run({ caller, grid }) {
      expect(grid.objects('member:license').filter(({ type }) => /cloud/i.test(String(type)))).toEqual([]);
      expect(await caller.add('c1')).toBe('ok');
    },
  },
  {
    original: 'took the socket of a live daemon, in a directory of mode 0700, with a mode by umask',
    ours: 'leaves it alone; directory 0755, socket 0600',
    async run({ host, grid, caller }) {
      const second = new Host(grid, { flags: [`--socket-dir=${host.socketDir}`] });
      await expect(second.start()).rejects.toThrow('another daemon listens');
      expect(await caller.add('c1')).toBe('ok');
      expect(statSync(host.socketDir).mode & 0o777).toBe(0o755);
      expect(statSync(host.socket).mode & 0o777).toBe(0o600);
      await second.dispose();
    },
  },
  {
    original: 'knew cniVersion 0.3.1 at most, and neither CHECK, GC nor STATUS',
    ours: 'knows 0.1.0 to 1.1.0, and them',
    async run({ caller }) {
      for (const cniVersion of ['0.1.0', '0.2.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']) {
        expect(await caller.host.call('ADD', cniVersion, { config: { cniVersion } })).toMatchObject({ cniVersion });
      }
      expect(await caller.add('c1')).toBe('ok');
      expect(await caller.check('c1')).toBe('ok');
      expect(await caller.status()).toBe('ok');
      expect(await caller.gc(['c1'])).toBe('ok');
    },
  },
];
