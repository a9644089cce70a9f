/** Leases for tests, and what puts them into a store. */

import type { SandboxIdentity } from '../../../src/infoblox/host.ts';
import type { Moment } from '../../../src/infoblox/lease/doubt.ts';
import type { Lease } from '../../../src/infoblox/lease/lease.ts';
import type { LeaseStore } from '../../../src/infoblox/lease/store/lease-store.ts';
import type { Workload } from '../../../src/infoblox/workload.ts';

export const window = { recheck: 10_000, end: 60_000 };
/** A moment at which the host's clock is right. */
export const momentAt = (now: number): Moment => ({ now, wall: now, window });
export const noon = momentAt(1_700_000_000_000);
export const sandbox: SandboxIdentity = {
  ...{ netns: '/run/netns/a', netnsId: '4:17', processStart: 9, bootId: 'boot-1', bootedAt: 8 },
};

/** What runs at it. */
export const workload: Workload = { containerId: 'c1', namespace: 'shop', pod: 'web-1' };

/** A bound lease without doubt. */
export function aLease(mark: string, over: Partial<Lease> = {}): Lease {
  return {
    ...{ mark, network: 'net-1', view: 'default', phase: 'bound', address: '10.0.0.2' },
    ...sandbox,
    ...{ callers: null, workload: null, createdAt: 1_000, writtenAt: 1_000, releasedBy: null, releasedAt: null },
    ...{ createInDoubtUntil: null, deleteInDoubtUntil: null },
    ...{ dueAt: null, attempts: 0 },
    ...over,
  };
}

/** Writes a lease whatever the store has had. */
export function put(store: LeaseStore, lease: Lease): void {
  store.apply(lease.mark, () => lease);
}

/** As if it had been forgotten. */
export function drop(store: LeaseStore, mark: string): void {
  store.apply(mark, () => undefined);
}
