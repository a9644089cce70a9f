/** Situations of defects that the simulation found: each script failed before the fix. */
import { expect } from 'vitest';
import type { HttpRequest } from '../grid-members.ts';
import { comeToRest } from '../run.ts';
import { plainSetup, Site } from '../site.ts';
import { createOf, holdersOf, lookFor, markOf, minute, type Situation, startAll, told } from './situation.ts';

/** A container has ended, and its address rests. */
async function resting() {
  const site = new Site({ cooldownMs: 45_000 });
  const [c0 = ''] = await startAll(site, 0);
  const address = told(site, c0);
  site.runtime(0).stop(0);
  await site.pass(2_000);
  return { site, c0, address };
}

const isListOfReservations = ({ url }: HttpRequest) => {
  return url.includes('/fixedaddress') && decodeURIComponent(url).includes('comment~=');
};

export const defects: readonly Situation[] = [
  {
    name: 'a host is renamed while its disk is full: it knows its containers by their leases, and a GC with them as valid releases none',
    run: async () => {
      const site = new Site();
      await startAll(site);
      const host = site.host(0);
      host.disk.isFull = true;
      host.rename('second');
      host.restart();
      await site.pass(500);
      host.disk.isFull = false;
      site.runtime(0).start(0);
      await site.pass(2_000);
      host.rename('third');
      host.restart();
      await site.pass(2_000);
      site.runtime(0).collect();
      await site.pass(2_000);
      expect(holdersOf(site)).toEqual({ [told(site, 'host-0-0-1')]: 'host-0-0-1' });
      await comeToRest(site);
    },
  },
  {
    name: 'a host has lost its state, and only a candidate answers: a repeated ADD that times out releases nothing',
    run: async () => {
      const site = new Site({ mayLoseWrites: true });
      await startAll(site);
      const c0 = 'host-0-0-1';
      const requested = site.addressOf(20);
      site.runtime(0).start(0, { requested });
      await site.pass(2_000);
      site.members.failOver();
      site.host(0).loseState();
      site.host(0).start();
      // Its looks are answered until a create has shown which host accepts writes, and none after that in time.
      for (let n = 0; n < 7; n += 1) site.arrange(lookFor(c0), { fate: n < 3 ? 'well' : 'silence' });
      site.runtime(0).addAgain(0);
      await site.pass(180_000);
      expect(holdersOf(site)).toEqual({ [requested]: c0 });
      site.members.rejoin();
      await comeToRest(site, { needsCollection: true });
    },
  },
  {
    name: 'a view is renamed while the leftover of a failed ADD is being released: it is found in its new view',
    run: async () => {
      const site = new Site({ setup: { ...plainSetup, view: 'blue' } });
      const [c0 = ''] = await startAll(site, 0);
      site.members.setReadOnly(true);
      site.runtime(0).stop(0);
      await site.pass(1_200);
      site.runtime(0).start(0, { again: true, requested: site.addressOf(20) });
      await site.pass(25_000);
      expect(Object.values(holdersOf(site))).toEqual([c0]);
      expect(site.renameView('green')).toBe(true);
      site.members.setReadOnly(false);
      await site.pass(120_000);
      expect(holdersOf(site)).toEqual({});
      site.endRename('undone');
      await comeToRest(site);
    },
  },
  {
    name: 'a view is renamed soon after an ADD, and a candidate lacks its reservation: no other host creates the view again',
    run: async () => {
      const site = new Site({ hosts: 2, setup: { ...plainSetup, view: 'blue' }, lagMs: minute });
      await startAll(site, 0);
      site.runtime(1).start(0);
      await site.pass(2_000);
      for (const runtime of site.runtimes) runtime.stop(0);
      await site.pass(2 * minute);
      site.runtime(0).start(1);
      await site.pass(1_000);
      expect(site.renameView('green')).toBe(true);
      site.arrange(isListOfReservations, { fate: 'fault' });
      site.runtime(1).start(1);
      await site.pass(40_000);
      expect(site.members.contents.objects('networkview').map(({ name }) => name)).toEqual(['default', 'green']);
      expect([...site.ledger.live.keys()]).toEqual(['host-0-1-1']);
      site.endRename('undone');
      await comeToRest(site);
    },
  },
  {
    name: 'the master is lost before the first ADD of a network: the promoted candidate creates the network',
    run: async () => {
      const site = new Site({ setup: { ...plainSetup, view: 'blue', isPrepared: false }, mayLoseWrites: true });
      await startAll(site);
      site.members.failOver();
      site.runtime(0).start(0);
      await site.pass(30_000);
      told(site, 'host-0-0-1');
      site.members.rejoin();
      await comeToRest(site);
    },
  },
  ...(['before the second', 'before the third'] as const).map((when, index) => ({
    name: `a reservation is made again while CHECK looks, ${when} request: CHECK does not say that it is lost`,
    run: async () => {
      const site = new Site();
      const [c0 = ''] = await startAll(site, 0);
      const address = told(site, c0);
      site.removeByHand(c0);
      const check = site.host(0).run?.check(c0, [address]);
      const outcome = check?.then(
        () => 'ok',
        (error) => String(error),
      );
      for (let n = 0; n < index; n += 1) site.arrange(isLookAt, { fate: 'well' });
      site.arrange(isLookAt, { fate: 'slow', ms: 2_000 });
      await site.pass(200);
      site.runtime(0).addAgain(0);
      await site.pass(5_000);
      expect([await outcome, holdersOf(site)]).toEqual(['ok', { [address]: c0 }]);
      await comeToRest(site);
    },
  })),
  ...[0, 60].map((before) => ({
    name: `a state is lost, a view is renamed, and ${before} ms into the import comes a DEL: its address is found and released`,
    run: async () => {
      const site = new Site({ setup: { ...plainSetup, view: 'blue' } });
      const [id = ''] = await startAll(site, 0);
      site.renameView('green');
      site.host(0).loseState();
      site.host(0).start();
      site.arrange(lookFor(id), { fate: 'slowAnswer', ms: 1_000 });
      await site.pass(before);
      site.runtime(0).stop(0);
      await site.pass(3_000);
      expect(holdersOf(site)).toEqual({});
      site.endRename('undone');
      await comeToRest(site);
    },
  })),
  {
    name: 'a promoted master gives the second address of an ADD that waits for its first to another container: that ADD gets a third',
    run: async () => {
      const site = new Site({ setup: { ...plainSetup, hasTwoSets: true }, lagMs: 60_000, mayLoseWrites: true });
      await startAll(site, 0);
      await site.pass(60_000);
      const isFirstOf = (container: string) => (request: HttpRequest, client: string) =>
        createOf(container)(request, client) && !request.body.includes(' set=1');
      site.arrange(isFirstOf('host-0-1-1'), { fate: 'dropped' });
      site.runtime(0).start(1);
      await site.pass(150);
      site.members.failOver();
      site.runtime(0).start(2);
      await site.pass(2_000);
      site.members.rejoin();
      await comeToRest(site);
    },
  },
  {
    name: 'a promoted master still has the former address of a restarted container that requested another one: a GC removes it',
    run: async () => {
      const site = new Site({ lagMs: 60_000, mayLoseWrites: true });
      const [c0 = ''] = await startAll(site, 0, 1);
      await site.pass(60_000);
      site.runtime(0).stop(0);
      await site.pass(2_000);
      site.members.failOver();
      site.members.rejoin();
      // The state has forgotten the container, so this ADD does not look for it.
      site.runtime(0).start(0, { again: true, requested: site.addressOf(12) });
      await site.pass(2_000);
      site.runtime(0).collect();
      await site.pass(2_000);
      const holders = holdersOf(site);
      expect(Object.keys(holders).filter((address) => holders[address] === c0)).toEqual([site.addressOf(12)]);
      await comeToRest(site, { needsCollection: true });
    },
  },
  {
    name: 'a container returns while its address rests, and leaves before its answer: the address continues to rest',
    run: async () => {
      const { site, address } = await resting();
      site.runtime(0).start(0, { again: true, way: 'unread' });
      await site.pass(2_000);
      site.runtime(0).start(1);
      await site.pass(2_000);
      expect(told(site, 'host-0-1-1')).not.toBe(address);
      await comeToRest(site);
    },
  },
  {
    name: 'somebody alters a resting reservation, and its container returns: it gets another address',
    run: async () => {
      const { site, c0, address } = await resting();
      const object = site.members.contents.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address);
      site.members.byHand('PUT', object?._ref ?? '', { comment: `${markOf(c0)} - ask first` });
      site.runtime(0).start(0, { again: true });
      await site.pass(2_000);
      expect(told(site, c0)).not.toBe(address);
      site.members.byHand('DELETE', object?._ref ?? '');
      await comeToRest(site, { needsCollection: true });
    },
  },
];

const isLookAt = ({ url }: { readonly url: string }) => url.includes('ipv4addr=');
