/** Handlers of `leases`, `leases --history` and `whois`: who holds or held an address, in the state of this host and on the grid. */
import { setImmediate as turn } from 'node:timers/promises';
import { families, parseAddress, rankOf } from '../../../infoblox/address.ts';
import { ofPod, podAttribute, reservedAtIn } from '../../../infoblox/attributes.ts';
import { deadline } from '../../../infoblox/concurrency/clock.ts';
import { GridError, hasReason } from '../../../infoblox/errors.ts';
import type { DescribedReservation } from '../../../infoblox/grid.ts';
import type { Host } from '../../../infoblox/host.ts';
import type { Blocks } from '../../../infoblox/lease/block/blocks.ts';
import type { LeaseDeps } from '../../../infoblox/lease/deps.ts';
import { doubtOf, wallTimeOf } from '../../../infoblox/lease/doubt.ts';
import { holdersAt, holdings } from '../../../infoblox/lease/history.ts';
import { type Lease, shownPhase } from '../../../infoblox/lease/lease.ts';
import { describe, isExactlyOurs } from '../../../infoblox/lease/observe.ts';
import type { SqliteLeaseStore } from '../../../infoblox/lease/store/sqlite-store.ts';
import { attachmentIn, parseMark, shortNetworkName } from '../../../infoblox/mark.ts';
import { workloadName, workloadOfLease } from '../../../infoblox/workload.ts';
import type { Holder, LeaseRecord, OperatorParams, OperatorResult } from '../../operator-protocol.ts';
import type { Parts } from '../daemon.ts';
import type { OperatorHandler } from '../rpc/request.ts';

/** Leases examined per turn of the event loop. */
const maxLooksAtOnce = 200;

export type LeasesDeps = Pick<LeaseDeps, 'store' | 'moment'> & {
  readonly host: Pick<Host, 'fate'>;
  readonly blocks: Pick<Blocks, 'at'>;
};

type LeaseFilter = OperatorParams<'operator/leases'>;

/** Makes the handler of `leases`. */
export function leasesHandler(deps: LeasesDeps): OperatorHandler<'operator/leases'> {
  return {
    timeoutMs: 10_000,
    async run({ who, ...filter }) {
      const leases = await (who === undefined ? findLeases(deps, filter) : meant(deps, { who, ...filter }));
      return { result: { leases } };
    },
  };
}

/**
 * Finds the leases that a name means: of an address; else of the container, pod or other workload with exactly that name; else of
 * containers whose ID begins with it.
 * @param filter `isWhole`: exact names only
 */
export async function meant(
  deps: LeasesDeps,
  { who, isWhole = false, ...filter }: LeaseFilter & { readonly who: string; readonly isWhole?: boolean },
): Promise<LeaseRecord[]> {
  const address = parseAddress(who);
  if (address !== undefined) return findLeases(deps, { ...filter, address });
  const all = await findLeases(deps, { ...filter, who });
  const ways: ((lease: LeaseRecord) => boolean)[] = [
    ({ containerId }) => containerId === who,
    ({ workload }) => isNamed(workload, who),
    () => !isWhole,
  ];
  return ways.map((way) => all.filter(way)).find(({ length }) => length > 0) ?? [];
}

/** Compares a workload's name, with or without its namespace. */
function isNamed(workload: string, who: string): boolean {
  return workload === who || workload.endsWith(`/${who}`);
}

/** Finds matching leases, sorted by network and address. */
export async function findLeases(deps: LeasesDeps, filter: LeaseFilter): Promise<LeaseRecord[]> {
  const records: LeaseRecord[] = [];
  const { now } = deps.moment();
  const found = deps.store.where((lease) => matches(lease, filter, now));
  for (const [index, { mark }] of sorted(found).entries()) {
    if (index > 0 && index % maxLooksAtOnce === 0) await turn();
    // The lease may have ended meanwhile.
    const lease = deps.store.get(mark);
    if (lease !== undefined) records.push(leaseRecord(lease, deps));
  }
  return records;
}

function matches(lease: Lease, filter: LeaseFilter, now: number): boolean {
  const { network, address } = lease;
  if (filter.phase !== undefined && shownPhase(lease, now) !== filter.phase) return false;
  if (filter.network !== undefined && network !== shortNetworkName(filter.network)) return false;
  if (filter.address !== undefined && address !== filter.address) return false;
  if (filter.container !== undefined && !isOf(lease, filter.container)) return false;
  return (
    filter.who === undefined || isOf(lease, filter.who) || isNamed(workloadName(workloadOfLease(lease)), filter.who)
  );
}

/** Compares the first characters of a container ID, in full or as shortened in the mark. */
function isOf({ mark, workload }: Lease, container: string): boolean {
  return mark.includes(` container=${container}`) || workload?.containerId.startsWith(container) === true;
}

/** Makes the record of a lease, with the fate of its sandbox. */
export function leaseRecord(lease: Lease, { store, blocks, host, moment }: LeasesDeps): LeaseRecord {
  const now = moment();
  const doubt = doubtOf(lease, now);
  const workload = workloadOfLease(lease);
  const fate = host.fate(lease, store.lastUptime(lease.bootId));
  const { mark, view, address, createdAt, dueAt, attempts, netns } = lease;
  return {
    ...attachmentIn(mark),
    mark,
    view,
    address,
    phase: shownPhase(lease, now.now),
    dueAt: dueAt === null ? null : wallTimeOf(dueAt, now),
    attempts,
    netns,
    containerId: workload.containerId,
    createdAt: createdAt === 0 ? null : createdAt,
    inBlock: address !== null && blocks.at(view, address) !== undefined,
    isOwed: lease.owedSince !== null,
    inDoubt: doubt.create !== null || doubt.delete !== null,
    sandbox: fate === 'gone with its boot' ? 'gone' : fate,
    workload: workloadName(workload),
  };
}

type Placed = Pick<Lease, 'network' | 'address' | 'mark'>;

/** Sorts by network, then by numeric address (leases without address first), then by mark. */
export function sorted<L extends Placed>(leases: readonly L[]): L[] {
  const ranked = leases.map((lease) => ({ lease, rank: lease.address === null ? -1n : rankOf(lease.address) }));
  ranked.sort((one, other) => {
    if (one.lease.network !== other.lease.network) return one.lease.network < other.lease.network ? -1 : 1;
    if (one.rank !== other.rank) return one.rank < other.rank ? -1 : 1;
    return one.lease.mark < other.lease.mark ? -1 : 1;
  });
  return ranked.map(({ lease }) => lease);
}

/** Makes the handler of `leases --history`. */
export function historyHandler(store: SqliteLeaseStore): OperatorHandler<'operator/history'> {
  return {
    timeoutMs: 10_000,
    async run({ address, at }) {
      const { entries, since } = store.history(address);
      const result = {
        since: since === null ? null : new Date(since).toISOString(),
        holdings: holdings(entries),
        atTime: at === undefined ? null : holdersAt(entries, at),
      };
      return { result };
    },
  };
}

/** For all questions to the grid. */
const whoisTimeoutMs = 60_000;
/** Addresses whose history is read. */
const maxHistories = 10;

type Whois = OperatorResult<'operator/whois'>;
type OnGrid = Pick<Whois, 'holders' | 'uses' | 'notes' | 'hasGridAnswered'>;

/** Makes the handler of `whois`. Errors of the grid become notes. */
export function whoisHandler(parts: Parts): OperatorHandler<'operator/whois'> {
  const {
    core: { leases },
    store,
  } = parts;
  return {
    timeoutMs: whoisTimeoutMs,
    async run({ who }, { gone }) {
      const signal = AbortSignal.any([gone, deadline(leases.clock, whoisTimeoutMs)]);
      const [here, grid] = await Promise.all([meant(leases, { who }), onGrid(parts, who, signal).catch(asNote)]);
      const addresses = new Set([parseAddress(who), ...here.map(({ address }) => address)]);
      const last = [...addresses].slice(0, maxHistories).flatMap((address) => {
        const ended = address ? holdings(store.history(address).entries).filter(({ until }) => until !== null) : [];
        return ended.slice(0, 1);
      });
      return { result: { leases: here, last, ...grid } };
    },
  };
}

/** Turns a GridError into a note. @throws any other error */
function asNote(error: unknown): OnGrid {
  if (!(error instanceof GridError)) throw error;
  const notes = [`the contents of the grid are unknown: ${error.message}`];
  return { holders: [], uses: [], notes, hasGridAnswered: false };
}

/** Asks the grid, in all views. Users with restricted rights may not see what uses an address. @throws GridError */
async function onGrid({ access: { grid, inspection } }: Parts, who: string, signal: AbortSignal): Promise<OnGrid> {
  const address = parseAddress(who);
  const byName = [
    { attributes: ofPod(who), families },
    { marks: { container: who }, families },
  ];
  const lists = (address === undefined ? byName : [{ address }]).map((filter) =>
    Array.fromAsync(grid.listDescribed(filter, signal)),
  );
  const found = (await Promise.all(lists)).flat().map(holderOf);
  const holders = [...new Map(found.map((one) => [`${one.view} ${one.address}`, one])).values()];
  if (holders.length > 0) return { holders, uses: [], notes: [], hasGridAnswered: true };
  if (address === undefined) {
    const defined = await Array.fromAsync(inspection.attributes(signal));
    const why = `pods of other hosts are not found: the grid does not define the attribute ${podAttribute}`;
    const notes = defined.some(({ name }) => name === podAttribute) ? [] : [why];
    return { holders, uses: [], notes, hasGridAnswered: true };
  }
  try {
    const uses = await inspection.usesOf(address, signal);
    const notes = uses.length === 0 ? [`the grid has no network with ${address}`] : [];
    return { holders, uses, notes, hasGridAnswered: true };
  } catch (error) {
    if (!hasReason(error, 'permission', 'rejected')) throw error;
    const why = `not reserved; other uses are not known: ${error.message}`;
    return { holders, uses: [], notes: [why], hasGridAnswered: true };
  }
}

function holderOf(one: DescribedReservation): Holder {
  const { address, view, comment, name, attributes, isReserved } = one;
  const { origin, attachment } = (isExactlyOurs(one) ? parseMark(comment) : undefined) ?? {};
  return {
    address,
    view,
    comment,
    name,
    attachment: origin && attachment ? { ...origin, ...attachment } : null,
    altered: isReserved ? null : describe(one),
    reservedAt: reservedAtIn(attributes),
  };
}
