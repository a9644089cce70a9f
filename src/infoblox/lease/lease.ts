/**
 * A lease is one address on the grid that this host answers for: the only durable thing here. It changes by the named
 * transitions below and by nothing else. They are pure; the store applies them by read-change-write in one step.
 *
 *   (none) --begin--> pending --bind--> bound --startRelease--> releasing --forgetReleased--> (none)
 *                        \________________startRelease______________/
 *
 * Who may end one is decided in endings.ts. `begin` also replaces a lease that is releasing, when an ADD comes before the release is carried out, and a bound one whose
 * address is lost for good. `imported` makes a bound lease of what the grid has, after the state was lost.
 *
 * Beside the phase stands doubt: a create or a delete was sent and its answer was lost, so it may still be carried out. A releasing
 * lease whose address an attachment was told rests first: its reservation is kept for the cool-down, so that nobody is given the address
 * while others remember who had it.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Family } from '../address.ts';
import { noSandbox, type SandboxIdentity } from '../host.ts';
import type { Workload } from '../workload.ts';
import { type Callers, joinedBy, withCallers, withoutCaller } from './callers.ts';
import { type Doubtful, doubtOf, type Moment, nextRecheck } from './doubt.ts';
import type { Releaser } from './history.ts';

/** `pending`: an ADD has begun, nobody was told anything. `bound`: an attachment was told. `releasing`: nobody needs it. */
export const phases = ['pending', 'bound', 'releasing'] as const;
export type Phase = (typeof phases)[number];

export interface LeaseIdentity {
  /** The comment of the object on the grid. */
  readonly mark: string;
  /** Network name as it stands in marks. */
  readonly network: string;
  /** Network view in which the grid has, or may have, its objects. */
  readonly view: string;
}

export interface Lease extends LeaseIdentity, SandboxIdentity, Doubtful {
  readonly phase: Phase;
  /**
   * What the attachment was told; null if nobody was told anything, or it has been removed from the grid since. A pending lease has that of
   * the releasing one that it replaced: the grid may have it still.
   */
  readonly address: string | null;
  /** Of which family whatever it has on the grid is; null if that is not known, as for an imported one. */
  readonly family: Family | null;
  /** How many addresses its attachment was given, one of each set; null if that is not known, as for an imported one. */
  readonly sets: number | null;
  /** Which ADDs were, or may have been, answered with it; null if that is not known, as for an imported one. */
  readonly callers: Callers;
  /** Null if it is not known, as for an imported one. */
  readonly workload: Workload | null;
  /** Null unless it is releasing. */
  readonly releasedBy: Releaser | null;
  /** Milliseconds since 1970, as the host's clock was; 0 for one that was imported. */
  readonly createdAt: number;
  /** When its reservation was last written to the grid, or may have been, as the clock's `now`; 0 for one that was imported. */
  readonly writtenAt: number;
  /** Since when nobody needs it, milliseconds since 1970, as the host's clock was; null unless it is releasing. */
  readonly releasedAt: number | null;
  /** When the reconciler has to look at it, as the clock's `now`; null: it need not. */
  readonly dueAt: number | null;
  /** Attempts of the reconciler that have failed since the last one that did not. */
  readonly attempts: number;
  /** Milliseconds that its reservation is kept when it is released. */
  readonly cooldownMs: number;
  /**
   * Since when an attachment was told an address of a block whose reservation the grid has not confirmed yet, as the clock's `now`; null:
   * the grid had one.
   */
  readonly owedSince: number | null;
  /**
   * Until when it is kept, as the clock's `now`; null: it is not. A lease has that of the releasing one that it replaced, until it is bound
   * to another address: if its ADD fails, or nobody is told the address, that rests on.
   */
  readonly restsUntil: number | null;
}

/** What people see of a phase: a releasing lease is resting until its cool-down is over. */
export const shownPhases = ['pending', 'bound', 'resting', 'releasing'] as const;
export type ShownPhase = (typeof shownPhases)[number];

/** @param now as the clock has it */
export function shownPhase({ phase, restsUntil }: Lease, now: number): ShownPhase {
  return phase === 'releasing' && restsUntil !== null && restsUntil > now ? 'resting' : phase;
}

/** Who asks for an address, and how. */
export interface Asking {
  readonly sandbox: SandboxIdentity;
  readonly workload: Workload;
  /** Milliseconds. */
  readonly cooldownMs: number;
  /** How many addresses the attachment gets; absent: not known. */
  readonly sets?: number;
}

/** What `begin` is told. */
interface Beginning extends LeaseIdentity, Asking {
  readonly family?: Family;
  /** IDs of the ADDs that wait for it. */
  readonly callers: Iterable<string>;
}

/** When a transition happens that knows nothing of doubt. */
type Instant = Pick<Moment, 'now' | 'wall'>;

/** An ADD takes an address: before the first write to the grid. Doubt of the lease that it replaces is carried over. */
export function begin(previous: Lease | undefined, beginning: Beginning, moment: Moment): Lease {
  // One that is pending still was cut off, and has ended nowhere.
  const doubt = doubtOf(previous?.phase === 'pending' ? createInDoubt(previous, moment) : previous, moment);
  return {
    ...newLease(beginning, moment),
    ...beginning.sandbox,
    workload: beginning.workload,
    // What the lease that it replaces has left may be of another family.
    family: previous === undefined || previous.family === beginning.family ? (beginning.family ?? null) : null,
    cooldownMs: beginning.cooldownMs,
    sets: beginning.sets ?? null,
    address: previous === undefined || previous.phase === 'bound' ? null : previous.address,
    restsUntil: previous?.restsUntil ?? null,
    phase: 'pending',
    // Whoever was told an address before may still use it, though the grid has lost it.
    callers: withCallers(previous?.phase === 'bound' ? previous.callers : '', beginning.callers),
    createInDoubtUntil: doubt.create,
    deleteInDoubtUntil: doubt.delete,
    // If it is pending then and no ADD has its lock, the one that began it has died, or could not write its end.
    dueAt: moment.now + moment.window.end,
  };
}

/**
 * The address that the attachment is going to be told, before it is told. A lease that is being released by now stays so:
 * a DEL came first.
 */
export function bind(lease: Lease, address: string, moment: Moment): Lease {
  if (lease.phase === 'releasing') return lease;
  const restsUntil = lease.address === address ? lease.restsUntil : null;
  const bound = { ...lease, phase: 'bound', address, writtenAt: moment.now, restsUntil, attempts: 0 } as const;
  return scheduled(bound, moment);
}

/** An attachment is going to be told an address of a block of this host: its create is owed. */
export function bindOwed(
  previous: Lease | undefined,
  beginning: Beginning & { address: string },
  moment: Moment,
): Lease {
  const bound = bind(begin(previous, beginning, moment), beginning.address, moment);
  return { ...bound, owedSince: moment.now, dueAt: moment.now };
}

/** Tells whether the grid can have nothing of it: its create is owed, and was never sent. */
export function isUnsent({ owedSince, createInDoubtUntil }: Lease): boolean {
  return owedSince !== null && createInDoubtUntil === null;
}

/**
 * The grid has taken an owed create: only what was in doubt before it still is.
 * @param before the lease before `createInDoubt`
 */
export function reserved(lease: Lease, before: Lease, moment: Moment): Lease {
  const done = { ...lease, owedSince: null, writtenAt: moment.now, createInDoubtUntil: before.createInDoubtUntil };
  return lease.phase === 'bound' ? scheduled({ ...done, attempts: 0 }, moment) : done;
}

/**
 * Further ADDs are going to be answered with it: they are written down before they are.
 * @param told ID of an ADD that is known to have its answer: with it among its callers the lease needs no other
 */
export function answer(lease: Lease, callers: Iterable<string>, told?: string): Lease {
  const all = joinedBy(lease.callers, callers, told);
  return all === lease.callers ? lease : { ...lease, callers: all };
}

/** An ADD was not answered: its caller left, or says so. The order in which callers come and say so does not matter. */
export function notAnswered(lease: Lease, caller: string): Lease {
  if (lease.phase === 'releasing') return lease;
  const callers = withoutCaller(lease.callers, caller);
  return callers === lease.callers ? lease : { ...lease, callers };
}

/** The reservation has moved with its view, which was renamed. */
export function followView(lease: Lease, view: string): Lease {
  return { ...lease, view };
}

/** The grid has an object of this host that the state knows nothing of: whoever was told its address may use it. */
export function imported(identity: LeaseIdentity, address: string, cooldownMs = 0): Lease {
  // Older than whatever this daemon will be asked: a GC that is under way may judge it.
  return { ...newLease(identity, { now: 0, wall: 0 }), phase: 'bound', address, cooldownMs };
}

/** Nobody needs it any more: before DEL answers. The reconciler is to take it up now, or when its address has rested. */
export function startRelease(lease: Lease, by: Releaser, { now, wall }: Instant): Lease {
  const { phase, callers, cooldownMs, releasedBy, releasedAt } = lease;
  // Nobody remembers an address that nobody was told.
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
 * As `startRelease`, where it is not known how far an ADD has come that is under way or was cut off: its create may still be
 * carried out.
 */
export function abandon(lease: Lease, by: Releaser, moment: Moment): Lease {
  return startRelease(lease.phase === 'pending' ? createInDoubt(lease, moment) : lease, by, moment);
}

/** Its release began when something said so that is told later; not before the lease began, nor in the future: clocks are set. */
export function releasedSince(lease: Lease, at: number): Lease {
  const { createdAt, releasedAt } = lease;
  return releasedAt === null ? lease : { ...lease, releasedAt: Math.min(Math.max(at, createdAt), releasedAt) };
}

/** Nobody was told anything, and the grid has nothing of it. */
export function forgetPending(lease: Lease): Lease | undefined {
  return lease.phase === 'pending' ? undefined : lease;
}

/** The grid has nothing of it any more. */
export function forgetReleased(lease: Lease): Lease | undefined {
  return lease.phase === 'releasing' ? undefined : lease;
}

/** A lease for something that may be on the grid and that the state knows nothing of, to be released. */
export function unknownToRelease(identity: LeaseIdentity, by: Releaser, moment: Moment): Lease {
  return startRelease(newLease(identity, moment), by, moment);
}

/** Tells whether its release is all that the state has ever known of it: no ADD of this daemon began it. */
export function wasUnknown({ phase, address, callers, createInDoubtUntil }: Lease): boolean {
  return phase === 'releasing' && address === null && callers === null && createInDoubtUntil === null;
}

/** A create is about to be sent for an attachment that is live, or one got no answer. */
export function createInDoubt(lease: Lease, moment: Moment): Lease {
  const doubtful = { ...lease, writtenAt: moment.now, createInDoubtUntil: moment.now + moment.window.end };
  return lease.phase === 'bound' ? scheduled(doubtful, moment) : doubtful;
}

/**
 * The create was refused: only what was in doubt before it still is.
 * @param before the lease before `createInDoubt`
 */
export function createRefused(lease: Lease, before: Lease): Lease {
  return { ...lease, writtenAt: before.writtenAt, createInDoubtUntil: before.createInDoubtUntil };
}

/** A delete is about to be sent: until its answer is here, it may be carried out at any time. */
export function deleteInDoubt(lease: Lease, moment: Moment): Lease {
  return { ...lease, deleteInDoubtUntil: moment.now + moment.window.end };
}

/**
 * The delete was answered, or certainly never sent: only what was in doubt before it still is.
 * @param before the lease before `deleteInDoubt`
 */
export function deleteAnswered(lease: Lease, before: Lease): Lease {
  return { ...lease, deleteInDoubtUntil: before.deleteInDoubtUntil };
}

/**
 * A look has shown what should be there and no surplus: a delete in doubt has been carried out. A create in doubt is looked
 * for again when it has had its time. Of no effect on a lease that is being released by now.
 */
export function settle(lease: Lease, moment: Moment): Lease {
  if (lease.phase !== 'bound') return lease;
  const { create } = doubtOf(lease, moment);
  const settled = { ...lease, attempts: 0, owedSince: null, createInDoubtUntil: create, deleteInDoubtUntil: null };
  return scheduled(settled, moment);
}

/** An attempt of the reconciler has ended without a look that could end the doubt: looked at again when that is over. */
export function keepDoubt(lease: Lease, moment: Moment): Lease {
  return lease.phase === 'bound' ? scheduled({ ...lease, attempts: 0 }, moment) : lease;
}

/** Milliseconds between looks at what only a person can put right. */
export const personPauseMs = 300_000;

/** What is in the place of its reservation is for a person to remove or to undo: looked at again after a pause. */
export function awaitPerson(lease: Lease, moment: Moment): Lease {
  const at = moment.now + personPauseMs;
  if (lease.phase === 'releasing') return recheck(lease, at);
  const kept = keepDoubt(lease, moment);
  return kept.phase === 'bound' ? { ...kept, dueAt: Math.min(kept.dueAt ?? at, at) } : kept;
}

/**
 * What was to be released has been removed from the grid; only what is in doubt may still turn up. Of a block, nobody else is given the
 * address of a create in doubt meanwhile.
 */
export function emptied(lease: Lease): Lease {
  const mayBeGiven = lease.owedSince === null || lease.createInDoubtUntil === null;
  return lease.phase === 'releasing' && mayBeGiven ? { ...lease, address: null } : lease;
}

/** Its address is needed before it has rested. */
export function endRest(lease: Lease, { now }: Instant): Lease {
  if (lease.restsUntil === null || lease.restsUntil <= now) return lease;
  return { ...lease, restsUntil: now, dueAt: lease.phase === 'releasing' ? now : lease.dueAt };
}

/** To be looked at again at a known time, or when it has rested. */
export function recheck(lease: Lease, at: number): Lease {
  return { ...lease, attempts: 0, dueAt: Math.max(at, restOf(lease)) };
}

/** An attempt of the reconciler has failed: to be tried again at a known time, or when it has rested. */
export function postpone(lease: Lease, at: number): Lease {
  return { ...lease, attempts: lease.attempts + 1, dueAt: Math.max(at, restOf(lease)) };
}

/** The same attachment asks again, from what may be another sandbox, and may name more of its workload. */
export function askAgain(lease: Lease, { sandbox, workload, cooldownMs }: Asking): Lease {
  const { netns, netnsId, bootId } = sandbox;
  const known = { ...lease.workload, ...workload };
  const isSameSandbox = lease.netns === netns && lease.netnsId === netnsId && lease.bootId === bootId;
  const isSame = isSameSandbox && lease.cooldownMs === cooldownMs && isDeepStrictEqual(lease.workload, known);
  return isSame ? lease : { ...lease, ...sandbox, workload: known, cooldownMs };
}

/**
 * As an earlier run of the daemon has left it, by a clock of which this one knows nothing: what was in doubt is in doubt for all
 * its time from now on, what rested rests for all of its, and nothing else waits for longer than that.
 */
export function resumed(lease: Lease, { now, window }: Pick<Moment, 'now' | 'window'>): Lease {
  const end = now + window.end;
  const restsUntil = lease.restsUntil === null ? null : now + lease.cooldownMs;
  const latest = lease.phase === 'releasing' && restsUntil !== null ? restsUntil : Math.min(lease.dueAt ?? end, end);
  return {
    ...lease,
    createInDoubtUntil: lease.createInDoubtUntil === null ? null : end,
    deleteInDoubtUntil: lease.deleteInDoubtUntil === null ? null : end,
    restsUntil,
    dueAt: lease.dueAt === null ? null : latest,
  };
}

/** A DEL may have come since the reconciler took the lease up. */
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
