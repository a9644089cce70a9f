/** Leases as a table. */
import { compareAddresses } from '../../../infoblox/address.ts';
import { ago } from '../../duration.ts';
import type { LeaseRecord } from '../../operator-protocol.ts';
import { type Column, table } from './table.ts';

const columns: readonly Column<LeaseRecord>[] = [
  { title: 'ADDRESS', cell: ({ address }) => address ?? '-' },
  { title: 'PHASE', cell: ({ phase, inDoubt }) => (inDoubt ? `${phase}, in doubt` : phase) },
  { title: 'NETWORK', cell: ({ network }) => network },
  { title: 'VIEW', cell: ({ view }) => view },
  { title: 'CONTAINER', cell: ({ containerId }) => containerId },
  { title: 'WORKLOAD', cell: ({ workload, containerId }) => (workload === containerId ? '-' : workload) },
  { title: 'INTERFACE', cell: ({ ifName }) => ifName },
  { title: 'AGE', cell: ({ createdAt }) => (createdAt === null ? '-' : ago(createdAt, Date.now())), align: 'right' },
  { title: 'SANDBOX', cell: ({ sandbox }) => sandbox },
];

/** Makes the table of leases, by network and address. */
export function leaseTable(leases: readonly LeaseRecord[]): string {
  return table(columns, leases.toSorted(byNetworkAndAddress));
}

function byNetworkAndAddress(one: LeaseRecord, other: LeaseRecord): number {
  if (one.network !== other.network) return one.network.localeCompare(other.network);
  return one.address === null || other.address === null ? 0 : compareAddresses(one.address, other.address);
}
