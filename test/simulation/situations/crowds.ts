/** Situations of hosts with so many containers that the reaper and commands pause in between, while leases change. */
import { expect } from 'vitest';
import { comeToRest } from '../run.ts';
import { plainSetup, Site } from '../site.ts';
import { holdersOf, type Situation, startAll } from './situation.ts';

/** More containers than the reaper examines, and than a command releases, per turn of the event loop. */
const many = 120;
/** Milliseconds: the reaper's grace, and its next look. */
const graceMs = 60_000;
const lookMs = 31_000;

/** Makes a host with many containers, all dead without a DEL. */
async function manyDead(): Promise<Site> {
  const site = new Site({ setup: { ...plainSetup, view: 'blue', isPrepared: false } });
  site.config = { ...site.config, subnet: '10.0.0.0/24' };
  await startAll(site);
  for (let slot = 0; slot < many; slot += 1) site.runtime(0).start(slot);
  await site.pass(20_000);
  expect(site.ledger.live.size).toBe(many);
  return site;
}

/** Advances time event by event until a look or a command has begun and paused. */
async function untilPaused(site: Site): Promise<void> {
  const isDue = () => site.host(0).run?.leases.store.where(({ phase }) => phase === 'releasing').length ?? 0;
  for (let steps = 0; isDue() === 0; steps += 1) {
    if (steps > 200_000) expect.fail('nothing is judged');
    await site.time.step();
  }
}

/** The dead of a host are judged in several turns. Meanwhile a namespace is seen again, and another container ends by a DEL. */
async function judged(begin: (site: Site) => Promise<void>): Promise<void> {
  const site = await manyDead();
  const [runtime, host] = [site.runtime(0), site.host(0)];
  const revived = runtime.hide(many - 1);
  for (let slot = 0; slot < many - 1; slot += 1) runtime.die(slot);
  await begin(site);
  await untilPaused(site);
  revived();
  void host.run?.del(runtime.idOf(many - 2));
  await site.pass(lookMs);
  expect(Object.values(holdersOf(site))).toEqual([runtime.idOf(many - 1)]);
  await comeToRest(site);
}

export const crowds: readonly Situation[] = [
  {
    name: 'a namespace appears again, and a DEL comes, while the reaper releases dead containers: its earlier judgement does not count',
    run: () => judged((site) => site.pass(graceMs)),
  },
  {
    name: 'a namespace appears again, and a DEL comes, while a person releases dead containers: the earlier list does not count',
    run: () => judged(async (site) => site.runtime(0).gcByHand()),
  },
];
