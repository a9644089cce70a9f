/** `leases` and `leases --history`: what the state has, lease by lease, and who held an address. */
import { setImmediate as turn } from 'node:timers/promises';
import { compareAddresses, parseAddress } from '../../../infoblox/address.ts';
import type { Host } from '../../../infoblox/host.ts';
import type { Blocks } from '../../../infoblox/lease/block/blocks.ts';
import type { LeaseDeps } from '../../../infoblox/lease/deps.ts';
import { doubtOf, wallTimeOf } from '../../../infoblox/lease/doubt.ts';
import { holdersAt, holdings } from '../../../infoblox/lease/history.ts';
import { type Lease, shownPhase } from '../../../infoblox/lease/lease.ts';
import type { SqliteLeaseStore } from '../../../infoblox/lease/store/sqlite-store.ts';
import { attachmentIn, shortNetworkName } from '../../../infoblox/mark.ts';
import { workloadName, workloadOfLease } from '../../../infoblox/workload.ts';
import type { LeaseRecord, OperatorParams } from '../../operator-protocol.ts';
import type { OperatorHandler } from '../rpc/request.ts';

/** Leases that are looked at between two turns of the event loop. */
const looksAtATime = 200;

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
      return {
        result: { leases: who === undefined ? await findLeases(deps, filter) : await meant(deps, { who, ...filter }) },
      };
    },
  };
}

/**
 * Finds the leases that a name means: those of an address; else of a container, a pod or another workload of exactly that name; else of
 * containers whose ID begins so.
 * @param filter `isWhole`: not the last
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

/** By its name with the namespace or without. */
function isNamed(workload: string, who: string): boolean {
  return workload === who || workload.endsWith(`/${who}`);
}

/** Finds the leases that match, by network and address. */
export async function findLeases(deps: LeasesDeps, filter: LeaseFilter): Promise<LeaseRecord[]> {
  const records: LeaseRecord[] = [];
  const { now } = deps.moment();
  const found = deps.store.where((lease) => matches(lease, filter, now));
  found.sort(byNetworkAndAddress);
  for (const [index, { mark }] of found.entries()) {
    if (index > 0 && index % looksAtATime === 0) await turn();
    // It may have been forgotten meanwhile.
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

/** By the first characters of an ID: as the mark has it, which shortens a long one, or in full. */
function isOf({ mark, workload }: Lease, container: string): boolean {
  return mark.includes(` container=${container}`) || workload?.containerId.startsWith(container) === true;
}

/** Makes the record of a lease; looks at its sandbox. */
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

/** Compares by network, by address as a number, those without one first, and by mark. */
export function byNetworkAndAddress(one: Placed, other: Placed): number {
  if (one.network !== other.network) return one.network < other.network ? -1 : 1;
  if (one.address === other.address) return one.mark < other.mark ? -1 : 1;
  if (one.address === null || other.address === null) return one.address === null ? -1 : 1;
  return compareAddresses(one.address, other.address);
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
