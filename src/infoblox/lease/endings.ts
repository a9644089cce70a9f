/**
 * Decides whether a lease ends, by cause and evidence. The lease is judged in the transaction that changes it. A look and `plan` then find
 * its objects on the grid. docs/architecture.md has the table, written from here.
 */
import type { SingleFlight } from '../concurrency/locks.ts';
import type { Fate, Host } from '../host.ts';
import type { Log } from '../log.ts';
import { attachmentKey } from '../mark.ts';
import type { Exhaustion } from '../network/exhaustion.ts';
import type { Answers } from './callers.ts';
import { doubtOf, type Moment } from './doubt.ts';
import type { Releaser } from './history.ts';
import {
  abandon,
  forgetPending,
  forgetReleased,
  isUnsent,
  type Lease,
  type LeaseIdentity,
  notAnswered,
  releasedSince,
  shownPhase,
  startRelease,
  unknownToRelease,
} from './lease.ts';
import type { PhaseOrNone } from './plan.ts';
import type { LeaseStore } from './store/lease-store.ts';

/** Facts of this host when a lease is judged. */
interface Known {
  readonly moment: Moment;
  /** Says whether the sandbox of a lease still exists. */
  readonly fate: (lease: Lease) => Fate;
  /** Whether an ADD of the attachment is in progress. */
  readonly isAdding: boolean;
  /** Tells whether an ADD was answered with it after a point in the order of all answers: older evidence cannot include that. */
  readonly toldSince: (count: number) => boolean;
}

/** A reason to end a lease, with its own facts. `since`: when its evidence was gathered, in the order of all answers. */
export type Reason =
  /** `at`: when the runtime called it, as the clock's `wall`, if recorded in a note. */
  | { readonly cause: 'DEL'; readonly at?: number | undefined }
  | { readonly cause: 'caller left'; readonly caller: string }
  /** `mayBeOnGrid`: the grid may have an object of it; `isDoubtful`: a create may still be carried out. */
  | { readonly cause: 'failed ADD'; readonly mayBeOnGrid: boolean; readonly isDoubtful: boolean }
  /** The caller holds the lock, so the ADD that began the lease has ended. */
  | { readonly cause: 'dead ADD' }
  /** `since`: its call. `isValid`: the attachment is in its list. */
  | { readonly cause: 'GC'; readonly since: number; readonly isValid: boolean }
  /** `since`: the first look. */
  | { readonly cause: 'reaper'; readonly since: number; readonly isFirstLook: boolean }
  /** An operator ends leases of dead containers. */
  | { readonly cause: 'gc' }
  | { readonly cause: 'release'; readonly evenIfAlive: boolean }
  | { readonly cause: 'gc --host' };

export type Cause = Reason['cause'];

export type Evidence =
  | 'the call'
  | 'others may be told'
  | 'nobody else was told'
  | 'nothing left'
  | 'perhaps something left'
  | 'create in doubt'
  | 'ADD under way'
  | 'told since'
  | 'valid'
  | 'not valid'
  | 'alive'
  | 'unknown'
  | 'gone once'
  | 'gone twice'
  | 'gone with its boot';

/**
 * The decision. `abandon` is `release` with a create that may still be carried out. `impossible`: a bug; the lease is kept.
 */
export type Answer = 'release' | 'abandon' | 'forget' | 'keep' | 'impossible';

/** One rule of the table. Every combination of cause, phase and evidence meets exactly one. */
export interface EndingRule {
  readonly cause: Cause;
  readonly phase: readonly PhaseOrNone[];
  readonly evidence: readonly Evidence[];
  readonly answer: Answer;
  readonly because: string;
}

/** For each cause, its possible evidence, and the releaser named to people. */
export const causes: { readonly [C in Cause]: { readonly evidence: readonly Evidence[]; readonly by: Releaser } } = {
  DEL: { evidence: ['the call'], by: 'DEL' },
  'caller left': { evidence: ['others may be told', 'nobody else was told'], by: 'undelivered' },
  'failed ADD': { evidence: ['nothing left', 'perhaps something left', 'create in doubt'], by: 'unfinished' },
  'dead ADD': { evidence: ['the call'], by: 'unfinished' },
  GC: { evidence: ['valid', 'ADD under way', 'told since', 'not valid'], by: 'GC' },
  reaper: {
    evidence: ['ADD under way', 'told since', 'alive', 'unknown', 'gone once', 'gone twice', 'gone with its boot'],
    by: 'reaper',
  },
  gc: { evidence: ['ADD under way', 'alive', 'unknown', 'gone once', 'gone with its boot'], by: 'operator' },
  release: { evidence: ['alive', 'the call'], by: 'operator' },
  'gc --host': { evidence: ['the call'], by: 'operator' },
};

const ended: readonly PhaseOrNone[] = ['none', 'releasing'];
const notBound: readonly PhaseOrNone[] = ['none', 'pending', 'releasing'];

// biome-ignore format: a table reads as a table
export const endings: readonly EndingRule[] = [
  { cause: 'DEL', phase: ['none'], evidence: ['the call'], answer: 'release', because: 'the grid may have a reservation that this state does not know' },
  { cause: 'DEL', phase: ['pending'], evidence: ['the call'], answer: 'abandon', because: 'the runtime has given up on its ADD; the create may still be carried out' },
  { cause: 'DEL', phase: ['bound'], evidence: ['the call'], answer: 'release', because: 'the attachment has ended' },
  { cause: 'DEL', phase: ['releasing'], evidence: ['the call'], answer: 'keep', because: 'it is being released' },

  { cause: 'caller left', phase: ['bound'], evidence: ['nobody else was told'], answer: 'release', because: 'no caller knows its address' },
  { cause: 'caller left', phase: ['bound'], evidence: ['others may be told'], answer: 'keep', because: 'another ADD was, or may have been, answered with it' },
  { cause: 'caller left', phase: ['pending'], evidence: causes['caller left'].evidence, answer: 'keep', because: 'its ADD ends it; other callers may have joined' },
  { cause: 'caller left', phase: ended, evidence: causes['caller left'].evidence, answer: 'keep', because: 'nothing is left to end' },

  { cause: 'failed ADD', phase: ['pending'], evidence: ['nothing left'], answer: 'forget', because: 'the grid certainly has no object of it' },
  { cause: 'failed ADD', phase: ['pending'], evidence: ['perhaps something left'], answer: 'release', because: 'no caller was told the address that it may have taken' },
  { cause: 'failed ADD', phase: ['pending'], evidence: ['create in doubt'], answer: 'abandon', because: 'no caller was told its address, and its create may still be carried out' },
  { cause: 'failed ADD', phase: ['bound'], evidence: causes['failed ADD'].evidence, answer: 'keep', because: 'each of its callers reports for itself that it got no answer' },
  { cause: 'failed ADD', phase: ['releasing'], evidence: causes['failed ADD'].evidence, answer: 'keep', because: 'a DEL came first' },
  { cause: 'failed ADD', phase: ['none'], evidence: causes['failed ADD'].evidence, answer: 'keep', because: 'its start could not be recorded, so it sent nothing to the grid' },

  { cause: 'dead ADD', phase: ['pending'], evidence: ['the call'], answer: 'abandon', because: 'its progress is unknown: its create may still be carried out' },
  { cause: 'dead ADD', phase: ['none', 'bound', 'releasing'], evidence: causes['dead ADD'].evidence, answer: 'keep', because: 'its ADD has ended' },

  { cause: 'GC', phase: ['none'], evidence: ['not valid'], answer: 'release', because: 'this host reserved it, and no lease or attachment has it' },
  { cause: 'GC', phase: ['bound'], evidence: ['not valid'], answer: 'release', because: 'the runtime no longer knows it' },
  { cause: 'GC', phase: ['none', 'bound'], evidence: ['valid'], answer: 'keep', because: 'the runtime knows it' },
  { cause: 'GC', phase: ['none', 'bound'], evidence: ['ADD under way', 'told since'], answer: 'keep', because: 'the list of the runtime is older than the ADD' },
  { cause: 'GC', phase: ['pending', 'releasing'], evidence: causes.GC.evidence, answer: 'keep', because: 'its ADD ends it, or it has ended already' },

  { cause: 'reaper', phase: ['bound'], evidence: ['gone twice'], answer: 'release', because: 'its namespace was gone twice, a grace period apart' },
  { cause: 'reaper', phase: ['bound'], evidence: ['gone with its boot'], answer: 'release', because: 'the host has certainly rebooted since, and the path of its namespace is empty' },
  { cause: 'reaper', phase: ['bound'], evidence: ['gone once'], answer: 'keep', because: 'a single look may be wrong' },
  { cause: 'reaper', phase: ['bound'], evidence: ['alive', 'unknown'], answer: 'keep', because: 'its end is not proven' },
  { cause: 'reaper', phase: ['bound'], evidence: ['ADD under way', 'told since'], answer: 'keep', because: 'the container may have started again in another namespace' },
  { cause: 'reaper', phase: notBound, evidence: causes.reaper.evidence, answer: 'keep', because: 'nothing is bound' },

  { cause: 'gc', phase: ['bound'], evidence: ['gone once', 'gone with its boot'], answer: 'release', because: 'its namespace is gone; an operator does not wait for a second look' },
  { cause: 'gc', phase: ['bound'], evidence: ['alive', 'unknown'], answer: 'keep', because: 'its end is not proven' },
  { cause: 'gc', phase: ['bound'], evidence: ['ADD under way'], answer: 'keep', because: 'the container may have started again in another namespace' },
  { cause: 'gc', phase: notBound, evidence: causes.gc.evidence, answer: 'keep', because: 'nothing is bound' },

  { cause: 'release', phase: ['bound'], evidence: ['the call'], answer: 'release', because: 'an operator wants it' },
  { cause: 'release', phase: ['pending'], evidence: ['the call'], answer: 'abandon', because: 'an operator wants it; its create may still be carried out' },
  { cause: 'release', phase: ['pending', 'bound'], evidence: ['alive'], answer: 'keep', because: 'its sandbox is alive' },
  { cause: 'release', phase: ['releasing'], evidence: causes.release.evidence, answer: 'keep', because: 'it is being released' },
  { cause: 'release', phase: ['none'], evidence: causes.release.evidence, answer: 'keep', because: 'it has been released' },

  { cause: 'gc --host', phase: ['none'], evidence: ['the call'], answer: 'release', because: 'an operator says that its host is gone for good' },
  { cause: 'gc --host', phase: ['releasing'], evidence: ['the call'], answer: 'keep', because: 'it is being released' },
  { cause: 'gc --host', phase: ['pending', 'bound'], evidence: ['the call'], answer: 'impossible', because: 'an address of another host is not a lease of this one' },
];

/** A decision, and the lease afterwards. */
export interface Ended extends Pick<EndingRule, 'answer' | 'because'> {
  /** Undefined if there is none. */
  readonly lease: Lease | undefined;
}

interface EndingDeps {
  readonly store: Pick<LeaseStore, 'apply' | 'get' | 'lastUptime'>;
  readonly host: Pick<Host, 'fate'>;
  readonly adds: Pick<SingleFlight<unknown>, 'underWay'>;
  readonly answers: Pick<Answers, 'toldSince'>;
  readonly exhaustion: Pick<Exhaustion, 'released'>;
  readonly moment: () => Moment;
  readonly log: Pick<Log, 'error'>;
}

/**
 * Ends a lease if the table says so, judging it in the transaction that changes it.
 * @param identity `view`: where to look on the grid if there is no lease
 * @throws GridError `state` if the change cannot be recorded
 */
export function endLease(deps: EndingDeps, identity: LeaseIdentity, reason: Reason): Ended {
  const { store, exhaustion, moment, log } = deps;
  let ended = undefined as Ended | undefined;
  store.apply(identity.mark, (lease) => {
    ended = ending(reason, { identity, lease }, knownOf(deps, identity));
    return ended.lease;
  });
  if (ended === undefined) throw new Error('the store has not applied an ending');
  if (ended.lease !== undefined && mayForgetAtOnce(ended.lease, deps.moment())) {
    store.apply(identity.mark, (lease) => lease && forgetReleased(lease));
  }
  const { lease, answer, because } = ended;
  // An ADD without another free address gets this one.
  if (lease !== undefined && shownPhase(lease, moment().now) === 'resting') exhaustion.released(lease.view);
  if (answer === 'impossible')
    log.error('impossible end of a lease', { attachment: identity.mark, cause: reason.cause, because });
  return ended;
}

/**
 * Ends all leases of an attachment in one turn, so in one transaction. They were bound together, for one sandbox and the same callers, so
 * the evidence about one is evidence about all.
 * @param identity of any of them; without a lease, of objects that may be on the grid
 * @returns at least one
 */
export function endAttachment(
  deps: EndingDeps & { readonly store: Pick<LeaseStore, 'ofAttachment'> },
  identity: LeaseIdentity,
  reason: Reason,
): readonly [Ended, ...Ended[]] {
  const [first = identity, ...others] = deps.store.ofAttachment(identity.mark);
  return [endLease(deps, first, reason), ...others.map((lease) => endLease(deps, lease, reason))];
}

/** Tells whether a released lease needs no release on the grid: no write was sent for it, and its address need not rest. */
function mayForgetAtOnce(lease: Lease, { now }: Moment): boolean {
  return lease.phase === 'releasing' && isUnsent(lease) && (lease.restsUntil ?? now) <= now;
}

/** Returns the result of `endLease` without changing anything. */
export function wouldEnd(deps: EndingDeps, identity: LeaseIdentity, reason: Reason): Ended {
  return ending(reason, { identity, lease: deps.store.get(identity.mark) }, knownOf(deps, identity));
}

function knownOf({ store, host, adds, answers, moment }: EndingDeps, { mark }: LeaseIdentity): Known {
  return {
    moment: moment(),
    fate: (lease) => host.fate(lease, store.lastUptime(lease.bootId)),
    isAdding: adds.underWay(attachmentKey(mark)),
    toldSince: (count) => answers.toldSince(attachmentKey(mark), count),
  };
}

/** Decides whether a lease ends, and returns it afterwards. */
export function ending(
  reason: Reason,
  { identity, lease }: { readonly identity: LeaseIdentity; readonly lease: Lease | undefined },
  known: Known,
): Ended {
  const { cause } = reason;
  const { moment } = known;
  const current = cause === 'caller left' && lease !== undefined ? notAnswered(lease, reason.caller) : lease;
  const { answer, because } = endingRule(cause, current?.phase ?? 'none', evidenceIn(reason, current, known));
  const { by } = causes[cause];
  const backdated = (released: Lease) =>
    cause === 'DEL' && reason.at !== undefined ? releasedSince(released, reason.at) : released;
  const ended = (after: Lease | undefined): Ended => ({ answer, because, lease: after });
  switch (answer) {
    case 'keep':
    case 'impossible':
      return ended(current);
    case 'forget':
      return ended(current && forgetPending(current));
    case 'abandon':
      return ended(current && backdated(abandon(current, by, moment)));
    case 'release':
      if (current === undefined) return ended(unknownToRelease(identity, by, moment));
      return ended(backdated(startRelease(current, by, moment)));
  }
}

/** Finds the rule for a combination. */
export function endingRule(cause: Cause, phase: PhaseOrNone, evidence: Evidence): EndingRule {
  const isMet = (row: EndingRule) =>
    row.cause === cause && row.phase.includes(phase) && row.evidence.includes(evidence);
  const rule = endings.find(isMet);
  if (rule === undefined) throw new Error(`no rule for ${cause}, ${phase}, ${evidence}`);
  return rule;
}

/** Determines the evidence about a lease. */
function evidenceIn(reason: Reason, lease: Lease | undefined, known: Known): Evidence {
  switch (reason.cause) {
    case 'DEL':
    case 'dead ADD':
    case 'gc --host':
      return 'the call';
    case 'caller left':
      return lease?.callers === '' ? 'nobody else was told' : 'others may be told';
    case 'failed ADD': {
      if (reason.isDoubtful) return 'create in doubt';
      const doubt = doubtOf(lease, known.moment);
      const isEmpty = !reason.mayBeOnGrid && doubt.create === null && doubt.delete === null;
      return isEmpty ? 'nothing left' : 'perhaps something left';
    }
    case 'GC':
      if (reason.isValid) return 'valid';
      return callsSince(known, reason.since) ?? 'not valid';
    case 'reaper': {
      const fate = fateOf(lease, known);
      return callsSince(known, reason.since) ?? (fate === 'gone once' && !reason.isFirstLook ? 'gone twice' : fate);
    }
    case 'gc':
      return known.isAdding ? 'ADD under way' : fateOf(lease, known);
    case 'release':
      return !reason.evenIfAlive && fateOf(lease, known) === 'alive' ? 'alive' : 'the call';
  }
}

function callsSince({ isAdding, toldSince }: Known, since: number): Evidence | undefined {
  if (isAdding) return 'ADD under way';
  return toldSince(since) ? 'told since' : undefined;
}

function fateOf(lease: Lease | undefined, known: Known): Evidence {
  const fate = lease === undefined ? 'unknown' : known.fate(lease);
  return fate === 'gone' ? 'gone once' : fate;
}
