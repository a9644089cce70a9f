/** What a command has released, and what it has left alone. */

import { counted } from '../../counted.ts';
import type { OperatorResult } from '../../operator-protocol.ts';
import { printable } from '../../printable.ts';
import { leaseTable } from './lease-table.ts';

/** @param verb what happens to the leases: `releasing`, `would release` */
export function writeReleased({ leases, kept }: OperatorResult<'operator/release'>, verb: string): void {
  const count = `${verb} ${counted(leases.length, 'address', 'addresses')}\n`;
  process.stdout.write(leases.length === 0 ? 'nothing to release\n' : `${count}${leaseTable(leases)}`);
  for (const { lease, why } of kept) {
    const what = `kept ${lease.address ?? 'a lease without address'} of ${lease.containerId}: ${why}`;
    process.stdout.write(`${printable(what)}\n`);
  }
}
