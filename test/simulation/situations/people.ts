/** Situations of people: commands of an operator, and edits on the grid. */
import { expect } from 'vitest';
import { comeToRest } from '../run.ts';
import { Site } from '../site.ts';
import {
  aDelete,
  anImport,
  arrivals,
  createOf,
  holdersOf,
  lookFor,
  markOf,
  type Situation,
  startAll,
  told,
} from './situation.ts';

/** Milliseconds until a doubt is over. */
const doubtMs = 62_000;

export const people: readonly Situation[] = [
  {
    name: 'a repeated gc --host sends no second delete while one is in doubt',
    run: async () => {
      const site = new Site({ hosts: 2 });
      await startAll(site, 0);
      site.host(0).leave();
      site.runtime(0).lostAll();
      site.arrange(aDelete, { fate: 'late', ms: 30_000 });
      site.runtime(1).gcOfHost('host-0');
      await site.pass(5_000);
      site.runtime(1).gcOfHost('host-0');
      await site.pass(doubtMs);
      expect([arrivals(site, 'DELETE', 'fixedaddress'), holdersOf(site)]).toEqual([1, {}]);
      await comeToRest(site);
    },
  },
  {
    name: 'a dead container that is restarted under its name during gc keeps its address',
    run: async () => {
      const site = new Site();
      const [c0 = ''] = await startAll(site, 0);
      const address = told(site, c0);
      site.runtime(0).die(0);
      site.arrange(lookFor(c0), { fate: 'slow', ms: 2_000 });
      site.runtime(0).start(0, { again: true });
      await site.pass(500);
      site.runtime(0).gcByHand();
      await site.pass(10_000);
      expect([told(site, c0), holdersOf(site)]).toEqual([address, { [address]: c0 }]);
      await comeToRest(site);
    },
  },
  {
    name: 'a dead container that is restarted under its name during a look of the reaper keeps its address',
    run: async () => {
      const site = new Site();
      const [c0 = ''] = await startAll(site, 0);
      const address = told(site, c0);
      site.runtime(0).die(0);
      // The first look was at the start, the next comes half a minute later.
      await site.pass(25_000);
      site.arrange(lookFor(c0), { fate: 'slow', ms: 10_000 });
      site.runtime(0).start(0, { again: true });
      await site.pass(60_000);
      expect([told(site, c0), holdersOf(site)]).toEqual([address, { [address]: c0 }]);
      await comeToRest(site);
    },
  },
  {
    name: 'containers that start during a slow GC keep their addresses, and dead ones lose theirs',
    run: async () => {
      const site = new Site();
      const [c0 = '', dead = ''] = await startAll(site, 0, 1);
      site.runtime(0).die(1);
      site.arrange(anImport, { fate: 'slow', ms: 3_000 });
      site.arrange(createOf('host-0-3-1'), { fate: 'slowAnswer', ms: 6_000 });
      site.runtime(0).collect();
      await site.pass(500);
      for (const slot of [2, 3]) site.runtime(0).start(slot);
      await site.pass(15_000);
      expect(Object.values(holdersOf(site)).sort()).toEqual([c0, 'host-0-2-1', 'host-0-3-1']);
      expect(Object.values(holdersOf(site))).not.toContain(dead);
      await comeToRest(site);
    },
  },
  {
    name: 'somebody gave the reservation of a container to another one, and the state is lost: the first one gets it back',
    run: async () => {
      const site = new Site();
      const [c0 = ''] = await startAll(site, 0);
      const c1 = 'host-0-1-1';
      const address = told(site, c0);
      for (let n = 0; n < 5; n += 1) site.arrange(anImport, { fate: 'dropped' });
      site.host(0).loseState();
      site.host(0).start();
      site.runtime(0).addAgain(0);
      await site.pass(1_000);
      site.ledger.excuse(c0);
      const object = site.members.contents.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address);
      site.members.byHand('PUT', object?._ref ?? '', { comment: markOf(c1) });
      site.runtime(0).start(1);
      await site.pass(5_000);
      expect(holdersOf(site)).toEqual({ [address]: c0, [told(site, c1)]: c1 });
      await comeToRest(site, { needsCollection: true });
    },
  },
  {
    name: 'a live container keeps its address when a person releases it, unless the person insists',
    run: async () => {
      const site = new Site();
      const [c0 = ''] = await startAll(site, 0);
      const release = (evenIfAlive: boolean) => site.host(0).run?.release(c0, { evenIfAlive });
      const refused = release(false);
      await site.pass(2_000);
      expect([await refused, Object.values(holdersOf(site))]).toEqual([0, [c0]]);
      site.runtime(0).release(0, { evenIfAlive: true });
      await site.pass(2_000);
      expect(holdersOf(site)).toEqual({});
      await comeToRest(site);
    },
  },
];
