/** `leases`: what the state has, lease by lease. */
import { setImmediate as turn } from 'node:timers/promises';
import { phases } from '../../../infoblox/lease/lease.ts';
import type { SqliteLeaseStore } from '../../../infoblox/lease/state/store.ts';
import { shortNetworkName } from '../../../infoblox/mark.ts';
import type { LeaseRecord, OperatorParams } from '../../operator-protocol.ts';
import { leaseRecord, type RecordDeps } from './lease-record.ts';
import type { OperatorHandler } from './operator-handler.ts';

/** Leases that are looked at between two turns of the event loop. */
const atATime = 200;

export type LeasesDeps = RecordDeps & { readonly store: SqliteLeaseStore };
type LeaseFilter = OperatorParams<'operator/leases'>;

/** Makes the handler of `leases`. */
export function leasesHandler(deps: LeasesDeps): OperatorHandler<'operator/leases'> {
  return { longest: 10_000, run: async (filter) => ({ result: { leases: await findLeases(deps, filter) } }) };
}

/** Finds the leases that match. */
export async function findLeases(deps: LeasesDeps, filter: LeaseFilter): Promise<LeaseRecord[]> {
  const records: LeaseRecord[] = [];
  const asked = filter.phase === undefined ? phases : [filter.phase];
  const leases = asked.flatMap((phase) => deps.store.inPhase(phase));
  for (const [index, lease] of leases.entries()) {
    if (index % atATime === atATime - 1) await turn();
    if (filter.network !== undefined && lease.network !== shortNetworkName(filter.network)) continue;
    if (filter.address !== undefined && lease.address !== filter.address) continue;
    if (filter.container !== undefined && !lease.mark.includes(` container=${filter.container}`)) continue;
    records.push(leaseRecord(lease, deps));
  }
  return records;
}
