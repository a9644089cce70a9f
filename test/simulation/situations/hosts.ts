/** Several hosts, what they share, and what is each one's own. */
import { expect } from 'vitest';
import { hostMark } from '../../../src/infoblox/mark.ts';
import { cluster } from '../daemon-run.ts';
import type { HttpRequest } from '../grid-members.ts';
import { comeToRest } from '../run.ts';
import { plainSetup, Site } from '../site.ts';
import { aDelete, arrivals, holdersOf, lookFor, type Situation, startAll, told } from './situation.ts';

const minute = 60_000;

/** The networks of the name, and those that are being set up for it. */
const networksOf = ({ members }: Site) =>
  members.contents.networks().filter(({ comment }) => comment?.startsWith('infoblox-cni network='));

export const hosts: readonly Situation[] = [
  {
    name: 'eight hosts start at once, and the network of their containers has to be made: they agree on one, and get an address each',
    run: async () => {
      for (const place of ['subnet', 'by name'] as const) {
        for (const view of ['default', 'blue'] as const) {
          for (let seed = 1; seed <= 4; seed += 1) {
            const site = new Site({ seed, hosts: 8, setup: { ...plainSetup, place, view, isPrepared: false } });
            await startAll(site);
            site.troubles = { lookFirst: 1 };
            for (const runtime of site.runtimes) runtime.start(0);
            await site.pass(minute);
            expect([site.ledger.live.size, networksOf(site).length]).toEqual([
              8,
              view === 'default' && place === 'subnet' ? 0 : 1,
            ]);
            await comeToRest(site);
          }
        }
      }
    },
  },
  {
    name: 'a place below the network that a host is confirming becomes free, and another host makes one there: they agree on one',
    run: async () => {
      const site = new Site({ hosts: 2, setup: { ...plainSetup, place: 'by name', view: 'blue' } });
      await startAll(site);
      const inItsPlace = { network: '10.0.0.0/26', network_view: 'blue', comment: 'a person' };
      const { body: person } = site.members.byHand('POST', 'network', inItsPlace);
      const isNetwork = (wanted: string, host: string) => (request: HttpRequest, client: string) =>
        request.method === wanted && request.url.includes('/network') && client.startsWith(host);
      site.arrange(isNetwork('POST', 'host-0.'), { fate: 'slow', ms: 1_000 });
      site.arrange(isNetwork('PUT', 'host-1.'), { fate: 'slow', ms: 2_000 });
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
    name: 'a clone of a host starts with a copy of its state: it leaves alone what the original has, and serves under its own name',
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
    name: 'the grid gives out an address of the host itself: it is reserved for the host, and the container gets the next one',
    run: async () => {
      const site = new Site({ setup: { ...plainSetup, hasOwnAddresses: true } });
      const [c0 = ''] = await startAll(site, 0);
      const own = site.members.holders().filter(({ comment }) => comment === hostMark({ cluster, node: 'host-0' }));
      expect([own.map(({ address }) => address), told(site, c0)]).toEqual([[site.addressOf(2)], site.addressOf(3)]);
      await comeToRest(site);
    },
  },
  {
    name: 'a view is renamed while containers have addresses in it: no host that has used it makes it again, and DEL finds what is in it',
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
    name: 'the connection for a delete comes up so late that a person has the address by then: it is not sent',
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
    name: 'a namespace cannot be seen for less than the grace of the reaper, twice: the container keeps its address',
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
    name: 'a container comes back in another namespace before the grace is over: it keeps its address',
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
