/** Situations of several hosts. */
import { expect } from 'vitest';
import { gatewayMark, hostMark } from '../../../src/infoblox/mark.ts';
import { cluster, type NetworkConfig, network } from '../daemon-run.ts';
import type { HttpRequest } from '../grid-members.ts';
import { comeToRest } from '../run.ts';
import { plainSetup, type Setup, Site } from '../site.ts';
import { aDelete, arrivals, holdersOf, lookFor, minute, type Situation, startAll, told } from './situation.ts';

/** Lists the networks of the name, and those being set up for it. */
const networksOf = ({ members }: Site) =>
  members.contents.networks().filter(({ comment }) => comment?.startsWith('infoblox-cni network='));

/** A request for networks. */
const toNetwork =
  (wanted: string, host = '') =>
  ({ method, url }: HttpRequest, client: string) =>
    method === wanted && /\/network[/?]?/.test(url) && client.startsWith(host);

interface Crowd {
  readonly name: string;
  readonly setup: Partial<Setup>;
  /** Number of networks marked with the name. */
  readonly networks: 0 | 1;
  readonly configOf?: (host: number) => Partial<NetworkConfig>;
}

const inBlue = { place: 'by name', view: 'blue' } as const;
const crowdsToAgree: readonly Crowd[] = [
  { name: 'by its subnet', setup: {}, networks: 0 },
  { name: 'by its subnet in a new view', setup: { view: 'blue' }, networks: 1 },
  { name: 'by its name', setup: { place: 'by name' }, networks: 1 },
  { name: 'by its name in a new view', setup: inBlue, networks: 1 },
  {
    name: 'by its name with two prefix lengths',
    setup: inBlue,
    networks: 1,
    configOf: (host) => ({ prefixLength: 26 + (host % 2) }),
  },
  {
    name: 'by its name from lists of containers in different order',
    setup: inBlue,
    networks: 1,
    configOf: (host) => ({ containers: host % 2 === 0 ? '10.0.0.0/24,10.1.0.0/24' : '10.1.0.0/24,10.0.0.0/24' }),
  },
  {
    name: 'by its name from a container with room for two',
    setup: inBlue,
    networks: 1,
    configOf: () => ({ containers: '10.0.0.0/25' }),
  },
];

export const hosts: readonly Situation[] = [
  ...crowdsToAgree.map(({ name, setup, networks, configOf = () => ({}) }) => ({
    name: `eight hosts start at once, and the network of their containers has to be made, ${name}: they agree on one, and get an address each`,
    run: async () => {
      for (let seed = 1; seed <= 3; seed += 1) {
        const site = new Site({ seed, hosts: 8, setup: { ...plainSetup, isPrepared: false, ...setup } });
        site.differs = (host) => configOf(Number(host.slice('host-'.length)));
        await startAll(site);
        site.troubles = { lookFirst: 1 };
        for (const runtime of site.runtimes) runtime.start(0);
        await site.pass(minute);
        const gateways = site.members.contents
          .fixedAddresses()
          .filter(({ comment }) => comment === gatewayMark(network));
        expect([site.ledger.live.size, networksOf(site).length, gateways.length]).toEqual([8, networks, 1]);
        await comeToRest(site);
      }
    },
  })),
  {
    name: 'a network that a host has given up is deleted once, however late that is carried out',
    run: async () => {
      const site = new Site({ hosts: 2, setup: { ...plainSetup, place: 'by name', view: 'blue' } });
      await startAll(site);
      // Both see that the other one has begun, and one yields.
      for (const host of ['host-0.', 'host-1.']) site.arrange(toNetwork('POST', host), { fate: 'slowAnswer', ms: 500 });
      // Longer than other hosts wait for an abandoned network.
      site.arrange(toNetwork('DELETE'), { fate: 'late', ms: 12_000 });
      for (const slot of [0, 1]) {
        for (const runtime of site.runtimes) runtime.start(slot);
        await site.pass(minute);
      }
      // The host that has yielded could not tell whether its network is gone: its first ADD has failed.
      expect([site.ledger.live.size, networksOf(site).length, arrivals(site, 'DELETE', 'network')]).toEqual([3, 1, 1]);
      await comeToRest(site);
    },
  },
  {
    name: 'a host creates a lower network while another one confirms its own: they agree on one',
    run: async () => {
      const site = new Site({ hosts: 2, setup: { ...plainSetup, place: 'by name', view: 'blue' } });
      await startAll(site);
      const inItsPlace = { network: '10.0.0.0/26', network_view: 'blue', comment: 'a person' };
      const { body: person } = site.members.byHand('POST', 'network', inItsPlace);
      site.arrange(toNetwork('POST', 'host-0.'), { fate: 'slow', ms: 1_000 });
      site.arrange(toNetwork('PUT', 'host-1.'), { fate: 'slow', ms: 2_000 });
      site.runtime(0).start(0);
      await site.pass(300);
      site.runtime(1).start(0);
      await site.pass(500);
      site.members.byHand('DELETE', JSON.parse(person));
      await site.pass(minute);
      expect([site.ledger.live.size, networksOf(site).map(({ network }) => network)]).toEqual([2, ['10.0.0.64/26']]);
      await comeToRest(site);
    },
  },
  {
    name: 'a clone with a copy of the state leaves the addresses of the original alone, and serves under its own name',
    run: async () => {
      const site = new Site();
      const [c0 = ''] = await startAll(site, 0);
      const clone = site.addHost();
      clone.disk.become(site.host(0).disk);
      clone.start();
      await site.pass(3 * minute);
      site.runtime(1).start(0);
      site.runtime(1).collect();
      await site.pass(minute);
      expect(Object.values(holdersOf(site)).sort()).toEqual([c0, 'host-1-0-1']);
      await comeToRest(site);
    },
  },
  {
    name: 'the grid gives out an address of the host: the host reserves it, and the container gets the next one',
    run: async () => {
      const site = new Site({ setup: { ...plainSetup, hasOwnAddresses: true } });
      const [c0 = ''] = await startAll(site, 0);
      const own = site.members.holders().filter(({ comment }) => comment === hostMark({ cluster, node: 'host-0' }));
      expect([own.map(({ address }) => address), told(site, c0)]).toEqual([[site.addressOf(2)], site.addressOf(3)]);
      await comeToRest(site);
    },
  },
  {
    name: 'a view is renamed under live containers: no host that used it creates it again, and DEL finds them',
    run: async () => {
      const site = new Site({ hosts: 2, setup: { ...plainSetup, view: 'blue' } });
      const [c0 = ''] = await startAll(site, 0);
      site.runtime(1).start(0);
      await site.pass(minute);
      site.runtime(1).stop(0);
      await site.pass(minute);
      expect(site.renameView('green')).toBe(true);
      for (const runtime of site.runtimes) runtime.start(1);
      await site.pass(minute);
      expect(site.members.contents.objects('networkview').map(({ name }) => name)).toEqual(['default', 'green']);
      expect([...site.ledger.live.keys()]).toEqual([c0]);
      site.runtime(0).stop(0);
      await site.pass(minute);
      expect(holdersOf(site)).toEqual({});
      site.endRename('undone');
      await comeToRest(site);
    },
  },
  {
    name: 'a delete whose connection comes up late is not sent: a person may have the address by then',
    run: async () => {
      const site = new Site();
      const [c0 = ''] = await startAll(site, 0);
      const address = told(site, c0);
      site.arrange(aDelete, { fate: 'connectsSlowly', ms: 3_000 });
      site.runtime(0).stop(0);
      await site.pass(1_000);
      const object = site.members.contents.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address);
      site.members.byHand('DELETE', object?._ref ?? '');
      site.strangerTakes();
      await site.pass(minute);
      expect(arrivals(site, 'DELETE', 'fixedaddress')).toBe(0);
      expect(site.members.holders()).toContainEqual(expect.objectContaining({ address, comment: 'a person' }));
      await comeToRest(site);
    },
  },
  {
    name: 'a namespace is out of sight twice for less than the grace: the container keeps its address',
    run: async () => {
      const site = new Site();
      const [c0 = ''] = await startAll(site, 0);
      for (let n = 0; n < 2; n += 1) {
        const show = site.runtime(0).hide(0);
        await site.pass(50_000);
        show();
        await site.pass(minute);
      }
      expect(Object.values(holdersOf(site))).toEqual([c0]);
      await comeToRest(site);
    },
  },
  {
    name: 'a container returns in another namespace within the grace period: it keeps its address',
    run: async () => {
      const site = new Site();
      const [c0 = ''] = await startAll(site, 0);
      const address = told(site, c0);
      site.runtime(0).die(0);
      await site.pass(50_000);
      site.arrange(lookFor(c0), { fate: 'slowAnswer', ms: 8_000 });
      site.runtime(0).start(0, { again: true });
      await site.pass(3 * minute);
      expect([told(site, c0), holdersOf(site)]).toEqual([address, { [address]: c0 }]);
      await comeToRest(site);
    },
  },
];
