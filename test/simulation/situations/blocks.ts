/** Situations of blocks: others overlap them, or a host no longer wants one before it has it. */
import { expect } from 'vitest';
import { statesOf } from '../../../src/infoblox/lease/block/states.ts';
import type { WapiObject } from '../../simulator/grid-contents.ts';
import type { HttpRequest } from '../grid-members.ts';
import { boundsOf } from '../grid-members.ts';
import { comeToRest } from '../run.ts';
import { reserved, Site } from '../site.ts';
import { markOf, minute, type Situation, startAll, told } from './situation.ts';

/** Creates a range that overlaps the only block. */
function touch(site: Site): void {
  const block = site.blockAt(0) ?? expect.fail('no block');
  const { first, last } = boundsOf(block);
  const { status, body } = site.members.byHand('POST', 'range', {
    start_addr: first,
    end_addr: last,
    comment: 'theirs',
  });
  if (status !== 201) expect.fail(body);
}

/** Creates ranges at all places for blocks except one. */
function takeOtherPlaces(site: Site, block: WapiObject): void {
  for (let part = 8; part < 56; part += 8) {
    if (site.addressOf(part) === boundsOf(block).first) continue;
    const bounds = { start_addr: site.addressOf(part), end_addr: site.addressOf(part + 7) };
    site.members.byHand('POST', 'range', { ...bounds, comment: 'theirs' });
  }
}

const aBlock = ({ method, url }: HttpRequest) => method === 'POST' && url.includes('/range');

export const blockSituations: readonly Situation[] = [
  {
    name: 'somebody makes a range over a serving block: it stops, and the host takes another one',
    run: async () => {
      const site = new Site({ blocks: 'all', quirks: { rangesMayOverlap: true } });
      await startAll(site, 0);
      await site.pass(2 * minute);
      touch(site);
      await site.pass(6 * minute);
      expect(site.host(0).run?.conditions().join()).toContain('block-altered');
      await comeToRest(site);
    },
  },
  {
    name: 'somebody makes a range over a block that is being taken: it is returned',
    run: async () => {
      const site = new Site({ blocks: 'all', quirks: { rangesMayOverlap: true } });
      await startAll(site, 0);
      const taken = site.blockAt(0)?.comment;
      touch(site);
      await site.pass(10 * minute);
      expect(site.members.contents.objects('range').map(({ comment }) => comment)).not.toContain(taken);
      await comeToRest(site);
    },
  },
  {
    name: 'another machine gives an address of a block that is being taken: the block gives none, and is forgotten after a person removes it',
    run: async () => {
      const site = new Site({ blocks: 'all' });
      await startAll(site, 0);
      const block = site.blockAt(0) ?? expect.fail('no block');
      const comment = markOf('ghost', 'host-0');
      site.members.byHand('POST', 'fixedaddress', { ...reserved, ipv4addr: boundsOf(block).first, comment });
      await site.pass(2 * minute);
      const phases = () =>
        site
          .host(0)
          .run?.leases.store.blocks()
          .map(({ phase }) => phase);
      expect(phases()).toContain('draining');
      site.host(0).restart();
      const ghost = site.members.contents.fixedAddresses().find((one) => one.comment === comment);
      for (const { _ref } of [block, ghost ?? expect.fail('it is gone')]) site.members.byHand('DELETE', _ref);
      await site.pass(10 * minute);
      expect(phases()).not.toContain('draining');
      await comeToRest(site);
    },
  },
  {
    name: 'another machine gives an address of a serving block: the block stops until a person removes the reservation',
    run: async () => {
      const site = new Site({ blocks: 'all' });
      await startAll(site, 0);
      await site.pass(2 * minute);
      const block = site.blockAt(0) ?? expect.fail('no block');
      const comment = markOf('ghost', 'host-0');
      const { body } = site.members.byHand('POST', 'fixedaddress', {
        ...reserved,
        ipv4addr: boundsOf(block).last,
        comment,
      });
      await site.pass(6 * minute);
      expect(site.host(0).run?.conditions().join()).toMatch(/block-shared .*container=ghost/);
      site.members.byHand('DELETE', JSON.parse(body));
      await site.pass(6 * minute);
      expect(site.host(0).run?.conditions()).toEqual([]);
      await comeToRest(site);
    },
  },
  {
    name: 'a person releases all blocks while one has a create in doubt and another one has leases: both are returned',
    run: async () => {
      const site = new Site({ blocks: 'all' });
      site.arrange(aBlock, { fate: 'late', ms: 30_000 });
      await startAll(site, 0);
      const { leases, keeper } = site.host(0).run ?? expect.fail('no daemon');
      leases.blocks.release(true);
      void keeper.lookAtAll();
      await site.pass(3 * minute);
      expect(site.blockAt(0)).toBeUndefined();
      leases.blocks.release(false);
      site.runtime(0).start(1);
      await site.pass(3 * minute);
      site.runtime(0).start(2);
      await site.pass(minute);
      leases.blocks.release(true);
      await site.pass(20 * minute);
      expect(site.blockAt(0)).toBeDefined();
      site.runtime(0).stop(2);
      await site.pass(20 * minute);
      expect(site.blockAt(0)).toBeUndefined();
      await comeToRest(site);
    },
  },
  {
    name: 'somebody deletes a serving block for good: it is forgotten when its host needs no blocks and has no lease in it',
    run: async () => {
      const site = new Site({ blocks: 'all' });
      await startAll(site, 0);
      await site.pass(2 * minute);
      site.runtime(0).start(1);
      await site.pass(minute);
      site.members.removeBlockByHand(site.blockAt(0) ?? expect.fail('no block'));
      const { leases, keeper, conditions } = site.host(0).run ?? expect.fail('no daemon');
      leases.blocks.release(true);
      void keeper.lookAtAll();
      await site.pass(minute);
      expect(leases.store.blocks()).toHaveLength(1);
      site.runtime(0).stop(1);
      await site.pass(6 * minute);
      expect([leases.store.blocks(), conditions()]).toEqual([[], []]);
      await comeToRest(site);
    },
  },
  {
    name: 'a host is renamed, and a person releases the old name on another host: the blocks in use are kept',
    run: async () => {
      const site = new Site({ blocks: 'all', hosts: 2 });
      await startAll(site, 0);
      await site.pass(2 * minute);
      const old = site.blockAt(0)?.comment;
      site.host(0).rename('renamed');
      site.host(0).restart();
      await site.pass(2 * minute);
      site.runtime(0).start(1);
      await site.pass(3 * minute);
      site.runtime(0).start(2);
      site.runtime(0).stop(0);
      await site.pass(minute);
      site.runtime(1).gcOfHost('host-0');
      await site.pass(2 * minute);
      const ranges = site.members.contents.objects('range').map(({ comment }) => comment);
      expect(ranges).not.toContain(old);
      expect(ranges).toEqual([expect.stringContaining('node=renamed')]);
      await comeToRest(site);
    },
  },
  {
    name: 'somebody deletes a block, and another host takes its place: a doubly used address is reported, and one host continues',
    run: async () => {
      const site = new Site({ blocks: 'all', hosts: 2 });
      await startAll(site, 0);
      await site.pass(2 * minute);
      const block = site.blockAt(0) ?? expect.fail('no block');
      const { first } = boundsOf(block);
      takeOtherPlaces(site, block);
      site.members.removeBlockByHand(block);
      site.runtime(1).start(0);
      await site.pass(70_000);
      for (const runtime of site.runtimes) runtime.start(1);
      await site.pass(5_000);
      expect([told(site, 'host-0-1-1'), told(site, 'host-1-1-1')]).toEqual([first, first]);
      expect(site.ledger.excused).toHaveLength(1);
      await site.pass(5 * minute);
      const states = site.hosts.flatMap(({ run }) => (run ? statesOf(run.leases) : []));
      expect(states.map(({ state }) => state)).toEqual(['stopped', 'serving']);
      await comeToRest(site);
    },
  },
  {
    name: 'a DHCP member serves the range of a block: its host stops it, and never deletes the range',
    run: async () => {
      const site = new Site({ blocks: 'all' });
      await startAll(site, 0);
      await site.pass(2 * minute);
      const { _ref, comment } = site.blockAt(0) ?? expect.fail('no block');
      site.members.byHand('PUT', _ref, { server_association_type: 'MEMBER', member: { name: 'dhcp-1' } });
      await site.pass(5 * minute);
      const { leases, keeper, conditions } = site.host(0).run ?? expect.fail('no daemon');
      expect(conditions().join()).toMatch(/block-altered .* is served to DHCP clients/);
      leases.blocks.release(true);
      void keeper.lookAtAll();
      await site.pass(minute);
      expect(leases.store.blocks()).toEqual([]);
      expect(site.blockAt(0)).toMatchObject({ comment });
      await comeToRest(site);
    },
  },
  {
    name: 'somebody deletes a block, and its host takes the same place again: only the new block is left, without a condition',
    run: async () => {
      const site = new Site({ blocks: 'all' });
      await startAll(site, 0);
      await site.pass(2 * minute);
      const block = site.blockAt(0) ?? expect.fail('no block');
      takeOtherPlaces(site, block);
      site.members.removeBlockByHand(block);
      await site.pass(5 * minute);
      for (const slot of [1, 2]) {
        site.runtime(0).start(slot);
        await site.pass(6 * minute);
      }
      const { leases, conditions } = site.host(0).run ?? expect.fail('no daemon');
      const { first } = boundsOf(block);
      expect(statesOf(leases)).toMatchObject([{ block: { first }, state: 'serving' }]);
      expect(conditions()).toEqual([]);
      await comeToRest(site);
    },
  },
];
