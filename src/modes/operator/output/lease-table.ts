/** Leases as a table. */

import { byNetworkAndAddress } from '../../daemon/operator/leases.ts';
import { ago } from '../../duration.ts';
import type { LeaseRecord } from '../../operator-protocol.ts';
import { type Column, table } from './table.ts';

const columns: readonly Column<LeaseRecord>[] = [
  { title: 'ADDRESS', cell: ({ address }) => address ?? '-', narrow: 'whole' },
  { title: 'PHASE', cell: ({ phase, inDoubt }) => (inDoubt ? `${phase}, in doubt` : phase) },
  { title: 'NETWORK', cell: ({ network }) => network, narrow: 'spare' },
  { title: 'VIEW', cell: ({ view }) => view, narrow: 'spare' },
  { title: 'CONTAINER', cell: ({ containerId }) => containerId },
  { title: 'WORKLOAD', cell: ({ workload, containerId }) => (workload === containerId ? '-' : workload) },
  { title: 'INTERFACE', cell: ({ ifName }) => ifName, narrow: 'spare' },
  { title: 'AGE', cell: ({ createdAt }) => (createdAt === null ? '-' : ago(createdAt, Date.now())), align: 'right' },
  { title: 'SANDBOX', cell: ({ sandbox }) => sandbox },
];

/** Makes the table of leases, by network and address. */
export function leaseTable(leases: readonly LeaseRecord[]): string {
  return table(columns, leases.toSorted(byNetworkAndAddress));
}
