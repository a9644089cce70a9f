/**
 * Kills the daemon at every request to the grid (before it arrives, and before its answer arrives) and before and after every commit of its
 * state, in each operation of a runtime, an operator or the import. Then restarts it, lets the runtime continue, and checks the invariants.
 * First counts requests and commits, so that no point is left out.
 */
import { afterAll, expect, test } from 'vitest';
import type { PointKind } from './network-path.ts';
import { comeToRest } from './run.ts';
import { plainSetup, Site, type SiteOptions } from './site.ts';
import { aDelete, createOf, startAll } from './situations/situation.ts';

interface Scenario {
  readonly name: string;
  readonly options?: SiteOptions;
  /** Slots of containers that are already running. */
  readonly running: readonly number[];
  /** The operation during which the daemon is killed. */
  readonly act: (site: Site) => void;
  /** Whether only a GC can release leftovers. */
  readonly needsCollection?: true;
}

const again = { again: true };

const scenarios: readonly Scenario[] = [
  {
    name: 'the first ADD of a network, in a view that has to be made',
    options: { setup: { ...plainSetup, view: 'blue', isPrepared: false } },
    running: [],
    act: (site) => site.runtime(0).start(0),
  },
  {
    name: 'the first ADD of a network that is found by its name',
    options: { setup: { ...plainSetup, place: 'by name', isPrepared: false } },
    running: [],
    act: (site) => site.runtime(0).start(0),
  },
  { name: 'an ADD on a known network', running: [0], act: (site) => site.runtime(0).start(1) },
  {
    name: 'an ADD of two addresses',
    options: { setup: { ...plainSetup, hasTwoSets: true } },
    running: [0],
    act: (site) => site.runtime(0).start(1),
  },
  { name: 'a repeated ADD', running: [0], act: (site) => site.runtime(0).addAgain(0) },
  {
    name: 'an ADD whose create loses its answer',
    running: [0],
    act: (site) => {
      site.arrange(createOf('host-0-1-1'), { fate: 'answerLost' });
      site.runtime(0).start(1);
    },
  },
  {
    name: 'an ADD whose create is carried out late',
    running: [0],
    act: (site) => {
      site.arrange(createOf('host-0-1-1'), { fate: 'late', ms: 5_000 });
      site.runtime(0).start(1);
    },
  },
  {
    name: 'an ADD that is handed what another container lives on',
    running: [0],
    act: (site) => {
      site.removeByHand('host-0-0-1');
      site.runtime(0).start(1);
    },
  },
  {
    name: 'an ADD that is handed the gateway',
    running: [0],
    act: (site) => {
      site.removeGateway();
      site.runtime(0).start(1);
    },
  },
  {
    name: 'an ADD that asks for an address',
    running: [0],
    act: (site) => site.runtime(0).start(1, { requested: site.addressOf(20) }),
  },
  {
    name: 'an ADD from a block, and its create',
    options: { blocks: 'all' },
    running: [0],
    act: (site) => {
      site.time.after(65_000, () => site.runtime(0).start(1));
    },
  },
  {
    name: 'the first ADD of a range that hosts share in blocks, and the next ones, when its block begins to serve',
    options: { blocks: 'all', hasRange: true },
    running: [],
    act: (site) => {
      site.runtime(0).start(0);
      for (const [slot, afterMs] of [40_000, 60_500, 65_000].entries()) {
        site.time.after(afterMs, () => site.runtime(0).start(slot + 1));
      }
    },
  },
  { name: 'a DEL', running: [0, 1], act: (site) => site.runtime(0).stop(1) },
  {
    name: 'a DEL whose delete is carried out late',
    running: [0, 1],
    act: (site) => {
      site.arrange(aDelete, { fate: 'late', ms: 30_000 });
      site.runtime(0).stop(1);
    },
  },
  {
    name: 'a DEL, followed by an ADD of the same container',
    running: [0, 1],
    act: (site) => {
      site.runtime(0).stop(1);
      site.time.after(20, () => site.runtime(0).start(1, again));
    },
  },
  {
    name: 'a GC of a dead container, tried again',
    running: [0, 1],
    act: (site) => {
      site.runtime(0).die(1);
      site.runtime(0).collect();
      site.time.after(5_000, () => site.runtime(0).collect());
    },
  },
  {
    name: 'the release of a container by a person',
    running: [0, 1],
    act: (site) => site.runtime(0).release(1, { evenIfAlive: true }),
  },
  {
    name: 'the import after the state was lost',
    running: [0, 1],
    act: (site) => {
      site.host(0).loseState();
      site.host(0).start();
    },
    needsCollection: true,
  },
  {
    name: 'the first start under another name, and a DEL',
    running: [0, 1],
    act: (site) => {
      site.host(0).rename('renamed');
      site.host(0).restart();
      site.time.after(500, () => site.runtime(0).stop(1));
    },
  },
];

/** The point at which the daemon is killed. */
interface Point {
  readonly kind: PointKind;
  readonly number: number;
  readonly moment: 'before' | 'after';
}

/** Milliseconds until all consequences of a call have ended, up to the last re-check of a create in doubt. */
const followsMs = 80_000;

let points = 0;

/** @returns how many requests and commits there were */
async function run(scenario: Scenario, at?: Point): Promise<Record<PointKind, number>> {
  const counts = { request: 0, commit: 0 };
  let isArmed = false;
  const site = new Site({
    ...scenario.options,
    // Unneeded addresses must be released without a GC.
    reaps: false,
    interrupt: (where, client, kind, moment) => {
      if (!isArmed || !client.startsWith('host-0.')) return false;
      if (moment === 'before') counts[kind] += 1;
      if (at?.kind !== kind || at.moment !== moment || at.number !== counts[kind]) return false;
      isArmed = false;
      where.host(0).kill();
      where.time.after(1_000, () => where.host(0).start());
      // Other containers request addresses soon, when the restarted daemon has carried out its releases, and after late writes.
      for (const [slot, ms] of [
        [7, 1_500],
        [8, 10_000],
        [9, 40_000],
      ] as const) {
        where.time.after(ms, () => where.runtime(0).start(slot));
      }
      return true;
    },
  });
  await startAll(site, ...scenario.running);
  isArmed = true;
  scenario.act(site);
  await site.pass(followsMs);
  isArmed = false;
  if (at !== undefined) await comeToRest(site, scenario);
  return counts;
}

for (const scenario of scenarios) {
  test(`killed during ${scenario.name}`, { timeout: 60_000 }, async () => {
    const counts = await run(scenario);
    for (const kind of ['request', 'commit'] as const) {
      for (let number = 1; number <= counts[kind]; number += 1) {
        for (const moment of ['before', 'after'] as const) {
          points += 1;
          await run(scenario, { kind, number, moment }).catch((cause: unknown) => {
            throw new Error(`killed ${moment} ${kind} ${number} of ${scenario.name}: ${String(cause)}`, { cause });
          });
        }
      }
    }
  });
}

afterAll(() => expect(points, 'points at which the daemon was killed').toBeGreaterThan(200));
