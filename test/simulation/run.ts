/**
 * Runs a plan in virtual time and checks the invariants after each event. Then ends all faults, and checks that the system settles: live
 * containers, and only they, have reservations.
 */
import { hasReason } from '../../src/infoblox/errors.ts';
import type { Lease } from '../../src/infoblox/lease/lease.ts';
import { chanceOf } from './chance.ts';
import { happen } from './happenings.ts';
import type { Happening, HappeningKind, Plan } from './plan.ts';
import type { Runtime } from './runtime.ts';
import type { SimHost } from './sim-host.ts';
import { Broken, Site } from './site.ts';

/** Virtual milliseconds for the system to settle after all faults have ended. */
const restMs = 3_600_000;

/** Virtual milliseconds within which all releases end without faults: the cool-down, and the time of a doubt. */
const maxReleaseMs = 120_000;

/** A slot that no plan uses. */
const unusedSlot = 100;

/** Events after which a released reservation may come back, or its release may be lost with the state or with notes. */
const onlyCollected: readonly HappeningKind[] = ['fail over', 'state lost', 'restore', 'altered by hand', 'reboot'];

/** Events that leave blocks on the grid until their host boots. */
const forgetsBlocks: readonly HappeningKind[] = [
  'state lost',
  'restore',
  'fail over',
  'rename host',
  'clone',
  'view renamed',
];

export interface Outcome {
  readonly events: number;
  readonly requests: number;
  /** What happened, in order; the same for the same plan. */
  readonly trace: readonly string[];
}

/** Runs a plan. @throws Broken */
export async function simulate(plan: Plan): Promise<Outcome> {
  const kinds = new Set(plan.steps.map(({ happening }) => happening.kind));
  const chance = chanceOf(plan.seed);
  const blocks = chance('blocks') < 0.7 ? 'some' : 'none';
  const cooldownMs = chance('cool-down') < 0.4 ? 45_000 : 0;
  const hasRange = chance('range') < 0.3;
  const secondFamily = chance('family') < 0.5 ? 6 : 4;
  const quirks = { ...plan.quirks, duidsMayRepeat: chance('DUIDs') < 0.5 };
  const site = new Site({
    ...plan,
    blocks,
    cooldownMs,
    hasRange,
    secondFamily,
    quirks,
    mayLoseWrites: kinds.has('fail over'),
  });
  for (const host of site.hosts) host.start();
  for (const { afterMs, happening } of plan.steps) {
    await site.pass(afterMs);
    site.say(describe(happening));
    happen(site, happening);
  }
  await site.pass(0);
  const needsCollection = onlyCollected.some((kind) => kinds.has(kind)) || (kinds.has('die') && !plan.reaps);
  await comeToRest(site, { needsCollection });
  await giveBlocksBack(site, { mayStay: forgetsBlocks.some((kind) => kinds.has(kind)) });
  const { events, requests, trace } = site;
  return { events, requests, trace };
}

/**
 * Checks that the system settles without faults.
 * @param options `needsCollection`: only a GC can release leftovers of some event (docs/reliability.md, what is not promised)
 * @throws Broken
 */
export async function comeToRest(
  site: Site,
  { needsCollection = false }: { readonly needsCollection?: boolean } = {},
): Promise<void> {
  site.say('troubles end');
  site.troubles = {};
  // Wait for outages, late writes and lost members of the plan to end.
  await site.pass(180_000);
  site.restoreAltered();
  for (const host of site.hosts) host.start();
  for (let round = 0; round < 3; round += 1) {
    const { excused } = site.ledger;
    for (const runtime of site.runtimes) runtime.stopAll(excused);
    await site.pass(restMs / 6);
    if (round === 2 && !needsCollection) settled(site, 'though no runtime has collected garbage');
    if (needsCollection) for (const runtime of site.runtimes) runtime.collect();
    await clearUp(site, ({ isGone, names }) => (isGone ? names : []));
    await site.pass(restMs / 6);
  }
  settled(site, 'after a while', ({ names }) => (needsCollection ? names.slice(0, -1) : []));
  for (const runtime of site.runtimes) runtime.stopAll();
  await site.pass(maxReleaseMs);
  const late = site.hosts.flatMap((host) => (host.isGone ? [] : [...host.disk.leases.values()]));
  if (late.length > 0) throw new Broken(['releases take too long:', ...late.map(({ mark }) => mark)], site.trace);
  await site.pass(restMs / 4);
  if (needsCollection) for (const runtime of site.runtimes) runtime.collect();
  await site.pass(restMs / 20);
  if (needsCollection) await clearUp(site, ({ names }) => names.slice(0, -1));
  settled(site, 'after all containers have ended');
  await startOneEach(site);
  for (const runtime of site.runtimes) runtime.stopAll();
  await site.pass(maxReleaseMs);
}

/** Starts a container on each host, in a few attempts as the kubelet makes. @throws Broken if one cannot start */
async function startOneEach(site: Site): Promise<void> {
  const runtimes = site.runtimes.filter((_, index) => !site.host(index).isGone && site.knowsView(site.host(index)));
  // A person may have deleted blocks under the former name of a host: it notices at its next look.
  for (const { run } of site.hosts) void run?.keeper.lookAtAll();
  await site.pass(60_000);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    for (const runtime of runtimes) runtime.start(unusedSlot);
    await site.pass(60_000);
  }
  site.hold();
  const isExcused = ({ lastFailure }: Runtime) =>
    hasReason(lastFailure, 'no-free-address') || (site.rangesMayOverlap && hasReason(lastFailure, 'network-conflict'));
  const failed = runtimes.filter((runtime) => !site.ledger.live.has(runtime.idOf(unusedSlot)) && !isExcused(runtime));
  const broken = failed.map((runtime) => `${runtime.idOf(unusedSlot)} cannot start: ${runtime.lastFailure}`);
  if (broken.length > 0) throw new Broken(broken, site.trace);
}

/** Releases the blocks of all hosts by the operator's command. @throws Broken */
async function giveBlocksBack(site: Site, { mayStay }: { readonly mayStay: boolean }): Promise<void> {
  for (const { run } of site.hosts) {
    run?.leases.blocks.release(true);
    void run?.keeper.lookAtAll();
  }
  await site.pass(900_000);
  site.hold();
  const left = site.blocks.map(({ comment }) => `${comment} is left`);
  if (left.length > 0 && !mayStay) throw new Broken(left, site.trace);
}

/** Releases the addresses of lost hosts, and of earlier names of hosts, by the operator's command. */
async function clearUp(site: Site, namesOf: (host: SimHost) => readonly string[]): Promise<void> {
  const somebody = site.hosts.findIndex(({ isGone }) => !isGone);
  for (const name of site.hosts.flatMap(namesOf)) {
    site.runtime(somebody).gcOfHost(name);
    await site.pass(restMs / 20);
  }
}

/** @param exceptOf names of hosts under which something may be left @throws Broken */
function settled(site: Site, when: string, exceptOf: (host: SimHost) => readonly string[] = () => []): void {
  site.hold();
  const { ledger, hosts, runtimes, leftAlone } = site;
  const busy = runtimes.filter((runtime) => runtime.busy > 0).length;
  const live = new Set(ledger.live.keys());
  const leases = hosts.flatMap((host) => (host.isGone ? [] : [...host.disk.leases.values()]));
  const of = ({ mark }: { readonly mark: string }) => ledger.containerOf(mark);
  // A host that lost its state has not imported reservations that were altered at that moment, and of two reservations of one
  // container it does not know which one was told.
  const forgetful = hosts.flatMap((host, index) => (host.hasLostState ? (runtimes[index]?.places ?? []) : []));
  const known = new Set([...leases.map(of), ...forgetful]);
  // Altered reservations are left alone, also by the DEL of an earlier container of that name.
  const mayHaveTwo = new Set([...forgetful, ...leftAlone]);
  const nodes = new Set(hosts.flatMap(exceptOf));
  const left = ledger.leftOver().filter(({ container, node }) => {
    return !nodes.has(node) && !(live.has(container) && mayHaveTwo.has(container));
  });
  // A lease that only waits for a re-check, as after a failover, has settled.
  const isAtRest = ({ phase, attempts, dueAt, createInDoubtUntil, deleteInDoubtUntil }: Lease) =>
    phase === 'bound' && attempts === 0 && (dueAt === null || (createInDoubtUntil ?? deleteInDoubtUntil) === null);
  const odd = leases.filter((lease) => !live.has(of(lease)) || !isAtRest(lease));
  const broken = [
    ...(busy > 0 ? [`${busy} calls have not ended`] : []),
    ...left.map(({ text }) => text),
    ...ledger.owed().map((container) => `${container} was told an address of a block and is not reserved`),
    ...odd.map((lease) => `a lease is left: ${JSON.stringify(lease)}`),
    ...[...live].filter((container) => !known.has(container)).map((container) => `${container} has no lease`),
  ];
  if (broken.length > 0) throw new Broken([`${when}:`, ...broken], site.trace);
}

function describe({ kind, ...rest }: Happening): string {
  return `-- ${kind} ${JSON.stringify(rest)}`;
}
