/** Situations of creates and deletes carried out long after their callers gave up, when the address has another owner. */
import { expect } from 'vitest';
import { comeToRest } from '../run.ts';
import { plainSetup, Site } from '../site.ts';
import { aDelete, createOf, holdersOf, lookFor, type Situation, startAll, told } from './situation.ts';

/** Milliseconds: before the first re-check of a create in doubt. */
const late = 5_000;
/** Milliseconds until that re-check and its consequences have ended. */
const recheckMs = 12_000;

export const lateWrites: readonly Situation[] = [
  {
    name: 'a late create takes the address of a container that has lost its reservation: it is given back',
    run: async () => {
      const site = new Site();
      const [c0 = ''] = await startAll(site, 0);
      const c1 = 'host-0-1-1';
      site.arrange(createOf(c1), { fate: 'late', ms: late });
      site.runtime(0).start(1);
      await site.pass(2_000);
      const [first, second] = [told(site, c0), told(site, c1)];
      site.removeByHand(c0);
      await site.pass(late - 1_500);
      expect(holdersOf(site)).toEqual({ [first]: c1, [second]: c1 });
      await site.pass(recheckMs);
      expect(holdersOf(site)).toEqual({ [first]: c0, [second]: c1 });
      await comeToRest(site);
    },
  },
  {
    name: 'a late create of an abandoned ADD takes the lost address of another container: it is given back',
    run: async () => {
      const site = new Site();
      const [c0 = ''] = await startAll(site, 0);
      site.arrange(createOf('host-0-1-1'), { fate: 'late', ms: late });
      site.runtime(0).start(1, { way: 'hangs up' });
      await site.pass(1_000);
      site.removeByHand(c0);
      await site.pass(late);
      expect(holdersOf(site)).toEqual({ [told(site, c0)]: 'host-0-1-1' });
      await site.pass(recheckMs);
      expect(holdersOf(site)).toEqual({ [told(site, c0)]: c0 });
      await comeToRest(site);
    },
  },
  {
    name: 'a live container loses its reservation while the delete of a surplus is in doubt: it is re-created',
    run: async () => {
      const site = new Site();
      await startAll(site);
      const c0 = 'host-0-0-1';
      site.arrange(createOf(c0), { fate: 'late', ms: late });
      site.runtime(0).start(0);
      await site.pass(late);
      site.arrange(aDelete, { fate: 'dropped' });
      await site.pass(recheckMs);
      const address = told(site, c0);
      const surplus = Object.keys(holdersOf(site)).find((one) => one !== address) ?? expect.fail('no surplus');
      site.removeByHand(c0, address);
      site.runtime(0).addAgain(0);
      await site.pass(2_000);
      expect(holdersOf(site)).toEqual({ [address]: c0, [surplus]: c0 });
      await comeToRest(site);
    },
  },
  {
    name: 'a delete whose answer was lost is not repeated, and the next container at the address keeps it',
    run: async () => {
      const site = new Site();
      const [c0 = ''] = await startAll(site, 0);
      const address = told(site, c0);
      site.arrange(aDelete, { fate: 'late', ms: 30_000 });
      site.runtime(0).stop(0);
      await site.pass(1_000);
      site.runtime(0).start(0, { again: true });
      await site.pass(5_000);
      expect(told(site, c0)).not.toBe(address);
      await site.pass(40_000);
      site.runtime(0).start(1, { requested: address });
      await site.pass(40_000);
      expect(told(site, 'host-0-1-1')).toBe(address);
      await comeToRest(site);
    },
  },
  {
    name: 'the reservation of a failed ADD does not fit the next one, which requests another address: it is removed',
    run: async () => {
      const site = new Site();
      await startAll(site, 9);
      const c0 = 'host-0-0-1';
      site.arrange(createOf(c0), { fate: 'answerLost' });
      site.arrange(lookFor(c0), { fate: 'slow', ms: 4_000 });
      site.runtime(0).start(0, { way: 'hangs up', requested: site.addressOf(20) });
      await site.pass(100);
      site.runtime(0).start(0, { again: true, requested: site.addressOf(21) });
      await site.pass(10_000);
      expect(told(site, c0)).toBe(site.addressOf(21));
      expect(Object.keys(holdersOf(site))).not.toContain(site.addressOf(20));
      await comeToRest(site);
    },
  },
  {
    name: 'a view is renamed before an ADD looks for the result of a create in doubt: it fails, and leaves nothing',
    run: async () => {
      const site = new Site({ setup: { ...plainSetup, view: 'blue' } });
      await startAll(site, 0);
      const c1 = 'host-0-1-1';
      site.arrange(createOf(c1), { fate: 'answerLost' });
      site.arrange(lookFor(c1), { fate: 'slow', ms: 2_000 });
      site.runtime(0).start(1);
      await site.pass(500);
      expect([Object.values(holdersOf(site)).includes(c1), site.renameView('green')]).toEqual([true, true]);
      await site.pass(60_000);
      expect(Object.values(holdersOf(site))).not.toContain(c1);
      site.endRename('undone');
      await comeToRest(site);
    },
  },
];
