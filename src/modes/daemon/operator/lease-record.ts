/** A lease as operators see it. */
import { doubtOf, type Moment } from '../../../infoblox/lease/doubt.ts';
import type { Lease } from '../../../infoblox/lease/lease.ts';
import type { Sandboxes } from '../../../infoblox/lease/sandbox/sandbox.ts';
import { attachmentIn } from '../../../infoblox/mark.ts';
import { workloadName, workloadOfLease } from '../../../infoblox/workload.ts';
import type { LeaseRecord } from '../../operator-protocol.ts';

export interface RecordDeps {
  readonly sandboxes: Sandboxes;
  readonly moment: () => Moment;
}

/** Makes the record of a lease; looks at its sandbox. */
export function leaseRecord(lease: Lease, { sandboxes, moment }: RecordDeps): LeaseRecord {
  const doubt = doubtOf(lease, moment());
  const workload = workloadOfLease(lease);
  const { mark, view, address, phase, createdAt, dueAt, attempts, netns } = lease;
  return {
    ...{ mark, ...attachmentIn(mark), view, address, phase, dueAt, attempts, netns },
    containerId: workload.containerId,
    createdAt: createdAt === 0 ? null : createdAt,
    inDoubt: doubt.create !== null || doubt.delete !== null,
    sandbox: sandboxes.fate(lease),
    workload: workloadName(workload),
  };
}
