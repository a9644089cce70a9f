/** Situations of lost reservations, deleted by hand or unknown to a promoted master, while answers are also lost. */
import { expect } from 'vitest';
import { comeToRest } from '../run.ts';
import { reserved, Site, type SiteOptions } from '../site.ts';
import {
  aDelete,
  arrivals,
  createOf,
  holdersOf,
  lookFor,
  markOf,
  minute,
  type Situation,
  startAll,
  told,
} from './situation.ts';

const c0 = 'host-0-0-1';
const c1 = 'host-0-1-1';

/** Prepares a host before its master is replaced by one that lacks the last two minutes. */
async function beforeFailOver(options: SiteOptions = {}): Promise<Site> {
  const site = new Site({ lagMs: 2 * minute, mayLoseWrites: true, ...options });
  await startAll(site, 9);
  await site.pass(3 * minute);
  site.runtime(0).start(0);
  await site.pass(2_000);
  return site;
}

function failOver(site: Site): void {
  for (const comment of site.members.failOver()) site.ledger.excuse(site.ledger.containerOf(comment));
}

/** The addresses of a container. */
const addressesOf = (site: Site, container: string) =>
  Object.entries(holdersOf(site)).flatMap(([address, holder]) => (holder === container ? [address] : []));

export const lostReservations: readonly Situation[] = [
  {
    name: 'a late reassignment of an address after the DEL of its container does not keep it reserved',
    run: async () => {
      const site = new Site();
      await startAll(site, 0);
      site.removeByHand(c0);
      site.arrange(({ method, url }) => method === 'PUT' && url.includes('/fixedaddress'), { fate: 'late', ms: 5_000 });
      site.runtime(0).start(1);
      await site.pass(1_000);
      site.runtime(0).stop(0);
      await site.pass(2_000);
      expect(addressesOf(site, c0)).toEqual([]);
      await site.pass(minute);
      expect(addressesOf(site, c0)).toEqual([]);
      await comeToRest(site);
    },
  },
  {
    name: 'a failed ADD of a container with a lost reservation leaves it its address',
    run: async () => {
      const site = new Site();
      await startAll(site, 0);
      const address = told(site, c0);
      site.removeByHand(c0);
      for (let n = 0; n < 20; n += 1) site.arrange(createOf(c0), { fate: 'fault' });
      site.runtime(0).addAgain(0);
      await site.pass(1_000);
      site.runtime(0).start(1);
      await site.pass(5 * minute);
      expect(told(site, c1)).not.toBe(address);
      expect(addressesOf(site, c0)).toEqual([address]);
      await comeToRest(site);
    },
  },
  {
    name: 'a late re-creation after a fail-over is looked for when its container is gone',
    run: async () => {
      const site = await beforeFailOver();
      const address = told(site, c0);
      site.arrange(createOf(c0), { fate: 'late', ms: 50_000 });
      failOver(site);
      site.runtime(0).check(9);
      await site.pass(90_000);
      expect(addressesOf(site, c0)).toEqual([address]);
      site.runtime(0).stop(0);
      await site.pass(3 * minute);
      expect(addressesOf(site, c0)).toEqual([]);
      site.members.rejoin();
      await comeToRest(site);
    },
  },
  {
    name: 'another object of a container is not taken for the reservation that a promoted master has lost',
    run: async () => {
      const site = await beforeFailOver();
      const address = told(site, c0);
      failOver(site);
      const another = site.addressOf(30);
      site.members.byHand('POST', 'fixedaddress', { ...reserved, ipv4addr: another, comment: markOf(c0) });
      site.runtime(0).start(1);
      await site.pass(3 * minute);
      expect(addressesOf(site, c0)).toEqual([address]);
      site.members.rejoin();
      await comeToRest(site);
    },
  },
  {
    name: 'a recently re-created reservation is looked at after a fail-over, however old its lease',
    run: async () => {
      const site = await beforeFailOver();
      const address = told(site, c0);
      await site.pass(120 * minute);
      site.removeByHand(c0);
      // The candidate knows of its removal, but not of its re-creation.
      await site.pass(3 * minute);
      site.runtime(0).addAgain(0);
      await site.pass(90_000);
      failOver(site);
      site.runtime(0).check(9);
      await site.pass(3 * minute);
      expect(addressesOf(site, c0)).toEqual([address]);
      site.members.rejoin();
      await comeToRest(site);
    },
  },
  {
    name: 'a GC releases a dead container whose lease only waits for a look after a fail-over',
    run: async () => {
      const site = await beforeFailOver({ reaps: false });
      for (let n = 0; n < 9; n += 1) site.arrange(lookFor(c0), { fate: 'silence' });
      failOver(site);
      site.runtime(0).check(9);
      site.runtime(0).die(0);
      const before = arrivals(site, 'GET', `container=${c0}`);
      while (arrivals(site, 'GET', `container=${c0}`) === before) await site.pass(1_000);
      site.runtime(0).collect();
      await site.pass(40_000);
      expect(site.host(0).run?.leases.store.get(markOf(c0))?.phase).not.toBe('bound');
      site.members.rejoin();
      await comeToRest(site, { needsCollection: true });
    },
  },
  {
    name: 'a DEL does not wait for an unneeded look after a fail-over',
    run: async () => {
      const site = await beforeFailOver();
      site.arrange(lookFor(c0), { fate: 'silence' });
      failOver(site);
      site.runtime(0).check(9);
      const before = arrivals(site, 'GET', `container=${c0}`);
      while (arrivals(site, 'GET', `container=${c0}`) === before) await site.pass(100);
      const run = site.host(0).run ?? expect.fail('no daemon');
      let isAnswered = false;
      void run.del(c0).then(() => {
        isAnswered = true;
      });
      await site.pass(200);
      expect([isAnswered, run.leases.locks.busy(markOf(c0))]).toEqual([true, true]);
      site.runtime(0).stop(0);
      await site.pass(minute);
      site.members.rejoin();
      await comeToRest(site);
    },
  },
  {
    name: 'a DEL that waits for the grid is not carried out after the ADD that follows',
    run: async () => {
      const site = new Site();
      await startAll(site, 0);
      site.members.setUp(false);
      site.runtime(0).stop(0);
      await site.pass(10_000);
      site.members.setUp(true);
      site.runtime(0).start(0, { again: true });
      await site.pass(5 * minute);
      expect(addressesOf(site, c0)).toEqual([told(site, c0)]);
      await comeToRest(site);
    },
  },
  {
    name: 'a delete that is carried out between the look of an ADD and its answer does not leave the container without a reservation',
    run: async () => {
      const site = new Site();
      await startAll(site, 0);
      site.arrange(aDelete, { fate: 'late', ms: 56_000 });
      site.runtime(0).stop(0);
      await site.pass(52_000);
      // Asked before it is carried out, and answered after the doubt has ended.
      site.arrange(lookFor(c0), { fate: 'slowAnswer', ms: 12_000 });
      site.runtime(0).start(0, { again: true });
      await site.pass(3 * minute);
      expect(addressesOf(site, c0)).toEqual([told(site, c0)]);
      expect(arrivals(site, 'DELETE', 'fixedaddress')).toBe(1);
      await comeToRest(site);
    },
  },
  {
    name: 'a create that is carried out between the look of an ADD and its answer is found',
    run: async () => {
      const site = new Site();
      await startAll(site, 9);
      site.arrange(createOf(c0), { fate: 'late', ms: 56_000 });
      site.runtime(0).start(0, { way: 'hangs up' });
      await site.pass(52_000);
      // The second is for all views.
      site.arrange(lookFor(c0), { fate: 'well' });
      site.arrange(lookFor(c0), { fate: 'slowAnswer', ms: 12_000 });
      site.runtime(0).start(0, { again: true });
      await site.pass(3 * minute);
      expect(addressesOf(site, c0)).toEqual([told(site, c0)]);
      await comeToRest(site);
    },
  },
  {
    name: 'a lost delete is repeated when it cannot be carried out any more',
    run: async () => {
      const site = new Site();
      await startAll(site, 0);
      site.arrange(aDelete, { fate: 'dropped' });
      site.runtime(0).stop(0);
      await site.pass(50_000);
      expect(arrivals(site, 'DELETE', 'fixedaddress')).toBe(0);
      await site.pass(20_000);
      expect([arrivals(site, 'DELETE', 'fixedaddress'), addressesOf(site, c0)]).toEqual([1, []]);
      await comeToRest(site);
    },
  },
];
