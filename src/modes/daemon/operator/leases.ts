/** `leases`: what the state has, lease by lease. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Lease } from '../../../infoblox/lease/lease.ts';
import type { SqliteLeaseStore } from '../../../infoblox/lease/state/store.ts';
import { shortNetworkName } from '../../../infoblox/mark.ts';
import type { LeaseRecord, OperatorParams } from '../../operator-protocol.ts';
import { leaseRecord, type RecordDeps } from './lease-record.ts';
import type { OperatorHandler } from './operator-handler.ts';

/** Leases that are read and looked at between two turns of the event loop. */
const pageSize = 200;

export type LeasesDeps = RecordDeps & { readonly store: SqliteLeaseStore };
type LeaseFilter = OperatorParams<'operator/leases'>;

/** Makes the handler of `leases`. */
export function leasesHandler(deps: LeasesDeps): OperatorHandler<'operator/leases'> {
  return { longest: 10_000, run: async (filter) => ({ result: { leases: await findLeases(deps, filter) } }) };
}

/** Finds the leases that match, in the order of their marks. */
export async function findLeases(deps: LeasesDeps, filter: LeaseFilter): Promise<LeaseRecord[]> {
  const records: LeaseRecord[] = [];
  let page = deps.store.following('', pageSize);
  for (;;) {
    for (const lease of page) if (matches(lease, filter)) records.push(leaseRecord(lease, deps));
    const last = page.at(-1);
    if (last === undefined || page.length < pageSize) return records;
    await turn();
    page = deps.store.following(last.mark, pageSize);
  }
}

function matches(lease: Lease, filter: LeaseFilter): boolean {
  const { network, address, phase } = lease;
  if (filter.phase !== undefined && phase !== filter.phase) return false;
  if (filter.network !== undefined && network !== shortNetworkName(filter.network)) return false;
  if (filter.address !== undefined && address !== filter.address) return false;
  return filter.container === undefined || isOf(lease, filter.container);
}

/** By the first characters of an ID: as the mark has it, which shortens a long one, or in full. */
function isOf({ mark, workload }: Lease, container: string): boolean {
  return mark.includes(` container=${container}`) || workload?.containerId.startsWith(container) === true;
}
