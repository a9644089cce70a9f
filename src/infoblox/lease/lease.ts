/**
 * A lease is one address on the grid for which this host is responsible. It is durable and changes only by the named transitions below.
 * They are pure; the store applies each in one step.
 *
 *   (none) --begin--> pending --bind--> bound --startRelease--> releasing --forgetReleased--> (none)
 *                        \________________startRelease______________/
 *
 * endings.ts decides when a lease ends. `begin` also replaces a releasing lease, when an ADD comes before its release, and a bound one
 * whose address is lost. `imported` makes a bound lease for a reservation found on the grid after the state was lost.
 *
 * A lease may also be in doubt: a create or a delete was sent and its answer was lost, so it may still be carried out. A releasing lease
 * whose address was in use rests first: its reservation is kept for the cool-down, so that no container gets an address that peers still
 * connect with the previous one.
 */
import type { Family } from '../address.ts';
import { noSandbox, type SandboxIdentity } from '../host.ts';
import type { Workload } from '../workload.ts';
import { type Callers, withCallers, withoutCaller } from './callers.ts';
import { type Doubtful, doubtOf, type Moment, nextRecheck, resumedDoubt } from './doubt.ts';
import type { Releaser } from './history.ts';

/** `pending`: an ADD has begun, without an answer yet. `bound`: an attachment has the address. `releasing`: it is no longer needed. */
export const phases = ['pending', 'bound', 'releasing'] as const;
export type Phase = (typeof phases)[number];

export interface LeaseIdentity {
  /** The comment of the object on the grid. */
  readonly mark: string;
  /** Network name as in marks. */
  readonly network: string;
  /** Network view of its objects. */
  readonly view: string;
}

export interface Lease extends LeaseIdentity, SandboxIdentity, Doubtful {
  readonly phase: Phase;
  /**
   * The attachment's address; null before the answer, or after removal from the grid. A pending lease has the address of the releasing one
   * that it replaced: the grid may still have it.
   */
  readonly address: string | null;
  /** Family of its objects; null if unknown, as for an imported lease. */
  readonly family: Family | null;
  /** Number of addresses of its attachment, one of each set; null if unknown, as for an imported lease. */
  readonly sets: number | null;
  /** ADDs that were, or may have been, answered with it; null if unknown, as for an imported lease. */
  readonly callers: Callers;
  /** Null if unknown, as for an imported lease. */
  readonly workload: Workload | null;
  /** Null unless it is releasing. */
  readonly releasedBy: Releaser | null;
  /** Milliseconds since 1970 by the host's clock; 0 for an imported lease. */
  readonly createdAt: number;
  /** When its reservation was, or may have been, last written to the grid, as the clock's `now`; 0 for an imported lease. */
  readonly writtenAt: number;
  /** When its release began, milliseconds since 1970 by the host's clock; null unless it is releasing. */
  readonly releasedAt: number | null;
  /** When the reconciler must look at it, as the clock's `now`; null: never. */
  readonly dueAt: number | null;
  /** Failed attempts of the reconciler since its last success. */
  readonly attempts: number;
  /** Cool-down in milliseconds. */
  readonly cooldownMs: number;
  /**
   * Since when an address of a block has been in use without a confirmed reservation, as the clock's `now`; null: the grid has confirmed
   * it.
   */
  readonly owedSince: number | null;
  /**
   * End of the cool-down, as the clock's `now`; null: none. A lease keeps that of the releasing one that it replaced until it is bound to
   * another address: if its ADD fails, the address continues to rest.
   */
  readonly restsUntil: number | null;
}

/** Phases as shown to people: a releasing lease is resting during its cool-down. */
export const shownPhases = ['pending', 'bound', 'resting', 'releasing'] as const;
export type ShownPhase = (typeof shownPhases)[number];

/** Returns the phase to show to people. @param now as the clock's `now` */
export function shownPhase({ phase, restsUntil }: Lease, now: number): ShownPhase {
  return phase === 'releasing' && restsUntil !== null && restsUntil > now ? 'resting' : phase;
}

/** Facts about the caller of an ADD. */
export interface Asking {
  readonly sandbox: SandboxIdentity;
  readonly workload: Workload;
  /** Milliseconds. */
  readonly cooldownMs: number;
  /** Number of addresses of the attachment; absent: unknown. */
  readonly sets?: number;
}

/** Input of `begin`. */
interface Beginning extends LeaseIdentity, Asking {
  readonly family?: Family;
  /** IDs of the ADDs that wait for it. */
  readonly callers: Iterable<string>;
}

/** The time of a transition without doubt. */
type Instant = Pick<Moment, 'now' | 'wall'>;

/** Begins an ADD, before the first write to the grid. Keeps the doubt of the lease that it replaces. */
export function begin(previous: Lease | undefined, beginning: Beginning, moment: Moment): Lease {
  // A lease still pending comes from an aborted ADD whose end was not recorded.
  const doubt = doubtOf(previous?.phase === 'pending' ? createInDoubt(previous, moment) : previous, moment);
  return {
    ...newLease(beginning, moment),
    ...beginning.sandbox,
    workload: beginning.workload,
    // Objects of the replaced lease may be of another family.
    family: previous === undefined || previous.family === beginning.family ? (beginning.family ?? null) : null,
    cooldownMs: beginning.cooldownMs,
    sets: beginning.sets ?? null,
    address: previous === undefined || previous.phase === 'bound' ? null : previous.address,
    restsUntil: previous?.restsUntil ?? null,
    phase: 'pending',
    // Earlier callers may still use the address that the grid has lost.
    callers: withCallers(previous?.phase === 'bound' ? previous.callers : '', beginning.callers),
    createInDoubtUntil: doubt.create,
    deleteInDoubtUntil: doubt.delete,
    // Still pending at `dueAt` and unlocked: its ADD died, or could not record its end.
    dueAt: moment.now + moment.window.end,
  };
}

/**
 * Binds a lease to the address with which the ADD will be answered. A releasing lease stays so: a DEL came first.
 */
export function bind(lease: Lease, address: string, moment: Moment): Lease {
  if (lease.phase === 'releasing') return lease;
  const restsUntil = lease.address === address ? lease.restsUntil : null;
  const bound = { ...lease, phase: 'bound', address, writtenAt: moment.now, restsUntil, attempts: 0 } as const;
  return scheduled(bound, moment);
}

/** Milliseconds before an owed create is sent: by then the ADD has its answer, and has unlocked the lease. */
const owedPauseMs = 50;

/** Binds a lease to an address of a block of this host; its create is owed. */
export function bindOwed(
  previous: Lease | undefined,
  beginning: Beginning & { address: string },
  moment: Moment,
): Lease {
  const bound = bind(begin(previous, beginning, moment), beginning.address, moment);
  return { ...bound, owedSince: moment.now, dueAt: moment.now + owedPauseMs };
}

/** Tells whether the grid cannot have an object of the lease: its create is owed and was never sent. */
export function isUnsent({ owedSince, createInDoubtUntil }: Lease): boolean {
  return owedSince !== null && createInDoubtUntil === null;
}

/**
 * Records that the grid carried out an owed create. Earlier doubt stays.
 * @param before the lease before `createInDoubt`
 */
export function reserved(lease: Lease, before: Lease, moment: Moment): Lease {
  const done = { ...lease, owedSince: null, writtenAt: moment.now, createInDoubtUntil: before.createInDoubtUntil };
  return lease.phase === 'bound' ? scheduled({ ...done, attempts: 0 }, moment) : done;
}

/** Records further callers before they are answered. */
export function answer(lease: Lease, callers: Iterable<string>): Lease {
  const all = withCallers(lease.callers, callers);
  return all === lease.callers ? lease : { ...lease, callers: all };
}

/** Removes a caller that got no answer. The order of callers and such reports does not matter. */
export function notAnswered(lease: Lease, caller: string): Lease {
  if (lease.phase === 'releasing') return lease;
  const callers = withoutCaller(lease.callers, caller);
  return callers === lease.callers ? lease : { ...lease, callers };
}

/** Follows a renamed view. */
export function followView(lease: Lease, view: string): Lease {
  return { ...lease, view };
}

/** Makes a bound lease for an object of this host that the state does not know: a container may use its address. */
export function imported(identity: LeaseIdentity, address: string, cooldownMs = 0): Lease {
  // Older than any request to this daemon, so that a GC in progress may judge it.
  return { ...newLease(identity, { now: 0, wall: 0 }), phase: 'bound', address, cooldownMs };
}

/** Starts the release, before DEL answers. The reconciler carries it out now, or after the cool-down. */
export function startRelease(lease: Lease, by: Releaser, { now, wall }: Instant): Lease {
  const { phase, callers, cooldownMs, releasedBy, releasedAt } = lease;
  // An address that no caller was told need not rest.
  const rests = phase === 'bound' && callers !== '' && cooldownMs > 0;
  const restsUntil = rests ? now + cooldownMs : lease.restsUntil;
  return {
    ...lease,
    phase: 'releasing',
    releasedBy: releasedBy ?? by,
    releasedAt: releasedAt ?? wall,
    attempts: 0,
    restsUntil,
    dueAt: Math.max(restsUntil ?? now, now),
  };
}

/**
 * Starts the release of a lease whose ADD is in progress or was aborted: its create may still be carried out.
 */
export function abandon(lease: Lease, by: Releaser, moment: Moment): Lease {
  return startRelease(lease.phase === 'pending' ? createInDoubt(lease, moment) : lease, by, moment);
}

/** Sets an earlier beginning of the release, limited to the time since the lease began, as clocks may be set. */
export function releasedSince(lease: Lease, at: number): Lease {
  const { createdAt, releasedAt } = lease;
  return releasedAt === null ? lease : { ...lease, releasedAt: Math.min(Math.max(at, createdAt), releasedAt) };
}

/** Forgets a pending lease without an object on the grid and without an answered caller. */
export function forgetPending(lease: Lease): Lease | undefined {
  return lease.phase === 'pending' ? undefined : lease;
}

/** Forgets a releasing lease without an object on the grid. */
export function forgetReleased(lease: Lease): Lease | undefined {
  return lease.phase === 'releasing' ? undefined : lease;
}

/** Makes a releasing lease for a mark that the state does not know, but the grid may have. */
export function unknownToRelease(identity: LeaseIdentity, by: Releaser, moment: Moment): Lease {
  return startRelease(newLease(identity, moment), by, moment);
}

/** Tells whether a lease was made by `unknownToRelease`: no ADD of this daemon began it. */
export function wasUnknown({ phase, address, callers, createInDoubtUntil }: Lease): boolean {
  return phase === 'releasing' && address === null && callers === null && createInDoubtUntil === null;
}

/** Records that a create is about to be sent, or got no answer. */
export function createInDoubt(lease: Lease, moment: Moment): Lease {
  const doubtful = { ...lease, writtenAt: moment.now, createInDoubtUntil: moment.now + moment.window.end };
  return lease.phase === 'bound' ? scheduled(doubtful, moment) : doubtful;
}

/**
 * Records that the create was refused. Earlier doubt stays.
 * @param before the lease before `createInDoubt`
 */
export function createRefused(lease: Lease, before: Lease): Lease {
  return { ...lease, writtenAt: before.writtenAt, createInDoubtUntil: before.createInDoubtUntil };
}

/**
 * Records a look with the wanted object and no surplus: a delete in doubt has been carried out; a create in doubt is re-checked when its
 * time is over. Has no effect on a releasing lease.
 */
export function settle(lease: Lease, moment: Moment): Lease {
  if (lease.phase !== 'bound') return lease;
  const { create } = doubtOf(lease, moment);
  const settled = { ...lease, attempts: 0, owedSince: null, createInDoubtUntil: create, deleteInDoubtUntil: null };
  return scheduled(settled, moment);
}

/** Records an attempt of the reconciler that could not end the doubt; the lease is due again when the doubt ends. */
export function keepDoubt(lease: Lease, moment: Moment): Lease {
  return lease.phase === 'bound' ? scheduled({ ...lease, attempts: 0 }, moment) : lease;
}

/** Milliseconds between looks at a lease that only a person can repair. */
export const personPauseMs = 300_000;

/** Schedules the next look at a lease that only a person can repair. */
export function awaitPerson(lease: Lease, moment: Moment): Lease {
  const at = moment.now + personPauseMs;
  if (lease.phase === 'releasing') {
    // A restart must not repeat a cool-down that has ended.
    const restsUntil = shownPhase(lease, moment.now) === 'resting' ? lease.restsUntil : null;
    return recheck({ ...lease, restsUntil }, at);
  }
  const kept = keepDoubt(lease, moment);
  return kept.phase === 'bound' ? { ...kept, dueAt: Math.min(kept.dueAt ?? at, at) } : kept;
}

/**
 * Records that its objects were removed from the grid; only an object of a write in doubt may still appear. Keeps an address of a block
 * reserved while its create is in doubt.
 */
export function emptied(lease: Lease): Lease {
  const mayBeGiven = lease.owedSince === null || lease.createInDoubtUntil === null;
  return lease.phase === 'releasing' && mayBeGiven ? { ...lease, address: null } : lease;
}

/** Ends the cool-down early, because the address is needed. */
export function endRest(lease: Lease, { now }: Instant): Lease {
  if (lease.restsUntil === null || lease.restsUntil <= now) return lease;
  return { ...lease, restsUntil: now, dueAt: lease.phase === 'releasing' ? now : lease.dueAt };
}

/** Makes a lease due at a time, but not before the end of its cool-down. */
export function recheck(lease: Lease, at: number): Lease {
  return { ...lease, attempts: 0, dueAt: Math.max(at, restOf(lease)) };
}

/** Records a failed attempt of the reconciler, and makes the lease due at a time, but not before the end of its cool-down. */
export function postpone(lease: Lease, at: number): Lease {
  return { ...lease, attempts: lease.attempts + 1, dueAt: Math.max(at, restOf(lease)) };
}

/** Updates sandbox, workload and cool-down at a repeated ADD. */
export function askAgain(lease: Lease, { sandbox, workload, cooldownMs }: Asking): Lease {
  return { ...lease, ...sandbox, workload: { ...lease.workload, ...workload }, cooldownMs };
}

/**
 * Adapts a lease of an earlier run to this run's clock: doubt and cool-down start again in full; nothing else waits longer than the doubt
 * window.
 */
export function resumed(lease: Lease, { now, window }: Pick<Moment, 'now' | 'window'>): Lease {
  const end = now + window.end;
  const restsUntil = lease.restsUntil === null ? null : now + lease.cooldownMs;
  const latest = lease.phase === 'releasing' && restsUntil !== null ? restsUntil : Math.min(lease.dueAt ?? end, end);
  return { ...resumedDoubt(lease, { now, window }), restsUntil, dueAt: lease.dueAt === null ? null : latest };
}

/** Returns the end of the cool-down of a releasing lease: a DEL may have come during an attempt of the reconciler. */
function restOf({ phase, restsUntil }: Lease): number {
  return (phase === 'releasing' ? restsUntil : null) ?? Number.NEGATIVE_INFINITY;
}

function newLease({ mark, network, view }: LeaseIdentity, { now, wall }: Instant): Lease {
  return {
    ...noSandbox,
    mark,
    network,
    view,
    address: null,
    family: null,
    sets: null,
    callers: null,
    workload: null,
    phase: 'pending',
    createdAt: wall,
    writtenAt: now,
    releasedAt: null,
    releasedBy: null,
    createInDoubtUntil: null,
    deleteInDoubtUntil: null,
    dueAt: null,
    attempts: 0,
    cooldownMs: 0,
    owedSince: null,
    restsUntil: null,
  };
}

function scheduled(lease: Lease, moment: Moment): Lease {
  const doubt = doubtOf(lease, moment);
  const times = [
    ...(doubt.delete === null ? [] : [doubt.delete]),
    ...(doubt.create === null ? [] : [nextRecheck(doubt.create, moment)]),
  ];
  return { ...lease, dueAt: times.length === 0 ? null : Math.min(...times) };
}
