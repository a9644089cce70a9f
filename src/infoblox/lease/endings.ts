/**
 * Who may end a lease, and on what evidence: the one place where it is decided. Whoever has a reason says what it knows, and the
 * lease is judged as it is in the transaction that changes it. What the lease then still has on the grid, and whose that is, is
 * for the look and `plan`. The table is in docs/architecture.md, too, written from here.
 */
import type { SingleFlight } from '../concurrency/single-flight.ts';
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

/** What this host knows when a lease is judged. */
interface Known {
  readonly moment: Moment;
  /** Says whether the sandbox of a lease still exists. */
  readonly fate: (lease: Lease) => Fate;
  /** An ADD of the attachment is under way. */
  readonly isAdding: boolean;
  /** Tells whether an ADD was answered with it since a point in the order of all answers: evidence from before cannot know of that. */
  readonly toldSince: (count: number) => boolean;
}

/** A reason to end a lease, with what only whoever has it knows. `since`: when its evidence was gathered, in the order of all answers. */
export type Reason =
  /** `at`: when it was called, as the clock's `wall`, if it is told later. */
  | { readonly cause: 'DEL'; readonly at?: number | undefined }
  | { readonly cause: 'caller left'; readonly caller: string }
  /** `mayBeOnGrid`: the grid may have something of it; `isDoubtful`: a create may still be carried out. */
  | { readonly cause: 'failed ADD'; readonly mayBeOnGrid: boolean; readonly isDoubtful: boolean }
  /** Whoever says it has the lock, so the ADD that began the lease is not under way any more. */
  | { readonly cause: 'dead ADD' }
  /** `since`: its call. `isValid`: the attachment is in its list. */
  | { readonly cause: 'GC'; readonly since: number; readonly isValid: boolean }
  /** `since`: the first look. */
  | { readonly cause: 'reaper'; readonly since: number; readonly isFirstLook: boolean }
  /** Of what is dead, by a person. */
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

/** What becomes of the lease. `abandon` is `release` with a create that may still be carried out. */
export type Answer = 'release' | 'abandon' | 'forget' | 'keep';

/** One rule of the table. Every combination of cause, phase and evidence meets exactly one, or an impossibility. */
export interface EndingRule {
  readonly cause: Cause;
  readonly phase: readonly PhaseOrNone[];
  readonly evidence: readonly Evidence[];
  readonly answer: Answer;
  readonly because: string;
}

/** By cause: what there can be known, and who counts as the releaser, for people. */
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
  { cause: 'DEL', phase: ['none'], evidence: ['the call'], answer: 'release', because: 'the grid may have what this state does not know' },
  { cause: 'DEL', phase: ['pending'], evidence: ['the call'], answer: 'abandon', because: 'the runtime has given up on its ADD, whose create may still be carried out' },
  { cause: 'DEL', phase: ['bound'], evidence: ['the call'], answer: 'release', because: 'the attachment has no more use for it' },
  { cause: 'DEL', phase: ['releasing'], evidence: ['the call'], answer: 'keep', because: 'it is being released' },

  { cause: 'caller left', phase: ['bound'], evidence: ['nobody else was told'], answer: 'release', because: 'nobody knows its address' },
  { cause: 'caller left', phase: ['bound'], evidence: ['others may be told'], answer: 'keep', because: 'another ADD was, or may have been, answered with it' },
  { cause: 'caller left', phase: ['pending'], evidence: causes['caller left'].evidence, answer: 'keep', because: 'its ADD ends it: others may have joined that' },
  { cause: 'caller left', phase: ended, evidence: causes['caller left'].evidence, answer: 'keep', because: 'nothing is left to end' },

  { cause: 'failed ADD', phase: ['pending'], evidence: ['nothing left'], answer: 'forget', because: 'the grid certainly has nothing of it' },
  { cause: 'failed ADD', phase: ['pending'], evidence: ['perhaps something left'], answer: 'release', because: 'nobody was told what it may have taken' },
  { cause: 'failed ADD', phase: ['pending'], evidence: ['create in doubt'], answer: 'abandon', because: 'nobody was told, and its create may still be carried out' },
  { cause: 'failed ADD', phase: ['bound'], evidence: causes['failed ADD'].evidence, answer: 'keep', because: 'each of its callers says that it has no answer' },
  { cause: 'failed ADD', phase: ['releasing'], evidence: causes['failed ADD'].evidence, answer: 'keep', because: 'a DEL came first' },
  { cause: 'failed ADD', phase: ['none'], evidence: causes['failed ADD'].evidence, answer: 'keep', because: 'that it began could not be written, so it has asked the grid for nothing' },

  { cause: 'dead ADD', phase: ['pending'], evidence: ['the call'], answer: 'abandon', because: 'how far it came is not known: its create may still be carried out' },
  { cause: 'dead ADD', phase: ['none', 'bound', 'releasing'], evidence: causes['dead ADD'].evidence, answer: 'keep', because: 'its ADD has ended' },

  { cause: 'GC', phase: ['none'], evidence: ['not valid'], answer: 'release', because: 'this host has reserved it, and nobody answers for it' },
  { cause: 'GC', phase: ['bound'], evidence: ['not valid'], answer: 'release', because: 'the runtime does not know it any more' },
  { cause: 'GC', phase: ['none', 'bound'], evidence: ['valid'], answer: 'keep', because: 'the runtime knows it' },
  { cause: 'GC', phase: ['none', 'bound'], evidence: ['ADD under way', 'told since'], answer: 'keep', because: 'the list of the runtime is older than the ADD' },
  { cause: 'GC', phase: ['pending', 'releasing'], evidence: causes.GC.evidence, answer: 'keep', because: 'its ADD ends it, or something has ended it' },

  { cause: 'reaper', phase: ['bound'], evidence: ['gone twice'], answer: 'release', because: 'its namespace is gone, and was some time ago' },
  { cause: 'reaper', phase: ['bound'], evidence: ['gone with its boot'], answer: 'release', because: 'the host has certainly been booted since, and nothing is at the place of its namespace' },
  { cause: 'reaper', phase: ['bound'], evidence: ['gone once'], answer: 'keep', because: 'one look may be mistaken' },
  { cause: 'reaper', phase: ['bound'], evidence: ['alive', 'unknown'], answer: 'keep', because: 'only what proves the end counts' },
  { cause: 'reaper', phase: ['bound'], evidence: ['ADD under way', 'told since'], answer: 'keep', because: 'the container may have started again in another namespace' },
  { cause: 'reaper', phase: notBound, evidence: causes.reaper.evidence, answer: 'keep', because: 'nothing is bound' },

  { cause: 'gc', phase: ['bound'], evidence: ['gone once', 'gone with its boot'], answer: 'release', because: 'its namespace is gone, and a person will not wait for a second look' },
  { cause: 'gc', phase: ['bound'], evidence: ['alive', 'unknown'], answer: 'keep', because: 'only what proves the end counts' },
  { cause: 'gc', phase: ['bound'], evidence: ['ADD under way'], answer: 'keep', because: 'the container may have started again in another namespace' },
  { cause: 'gc', phase: notBound, evidence: causes.gc.evidence, answer: 'keep', because: 'nothing is bound' },

  { cause: 'release', phase: ['bound'], evidence: ['the call'], answer: 'release', because: 'a person wants it to' },
  { cause: 'release', phase: ['pending'], evidence: ['the call'], answer: 'abandon', because: 'a person wants it to; its create may still be carried out' },
  { cause: 'release', phase: ['pending', 'bound'], evidence: ['alive'], answer: 'keep', because: 'its sandbox is alive' },
  { cause: 'release', phase: ['releasing'], evidence: causes.release.evidence, answer: 'keep', because: 'it is being released' },
  { cause: 'release', phase: ['none'], evidence: causes.release.evidence, answer: 'keep', because: 'it has been released' },

  { cause: 'gc --host', phase: ['none'], evidence: ['the call'], answer: 'release', because: 'a person says that its host is gone for good' },
  { cause: 'gc --host', phase: ['releasing'], evidence: ['the call'], answer: 'keep', because: 'it is being released' },
];

/** What cannot be. If it is all the same, the lease is kept. */
export const impossibleEndings: readonly Omit<EndingRule, 'answer'>[] = [
  {
    cause: 'gc --host',
    phase: ['pending', 'bound'],
    evidence: ['the call'],
    because: 'what another host has given is no lease of this one',
  },
];

interface Verdict {
  readonly answer: Answer;
  readonly because: string;
  /** Set if this cannot be: an error of this program. */
  readonly isImpossible?: true;
}

/** A decision, and what it makes of the lease. */
export interface Ended extends Verdict {
  /** As it is then; undefined if there is none. */
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
 * Ends a lease if the table says so. It is judged as it is in the transaction that changes it.
 * @param identity `view`: where to look on the grid if there is no lease
 * @throws GridError `state` if that cannot be recorded
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
  const { lease, isImpossible, because } = ended;
  // An ADD that finds no other address gets this one.
  if (lease !== undefined && shownPhase(lease, moment().now) === 'resting') exhaustion.released(lease.view);
  if (isImpossible)
    log.error('a lease was to end where it cannot', { attachment: identity.mark, cause: reason.cause, because });
  return ended;
}

/**
 * Ends all leases of an attachment in one turn, and so in one transaction: they were bound in one, of one sandbox and for the same
 * callers, so the evidence about one is that about each.
 * @param identity of any of them; for an attachment that has none, of what may be on the grid
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

/** Of a lease of which nothing was sent nothing is to be released on the grid. Its address may have to rest. */
function mayForgetAtOnce(lease: Lease, { now }: Moment): boolean {
  return lease.phase === 'releasing' && isUnsent(lease) && (lease.restsUntil ?? now) <= now;
}

/** As `endLease`, but changes nothing. */
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

/** Decides whether a lease ends, and what it is then. */
export function ending(
  reason: Reason,
  { identity, lease }: { readonly identity: LeaseIdentity; readonly lease: Lease | undefined },
  known: Known,
): Ended {
  const { cause } = reason;
  const { moment } = known;
  const current = cause === 'caller left' && lease !== undefined ? notAnswered(lease, reason.caller) : lease;
  const verdict = endingRule(cause, current?.phase ?? 'none', evidenceIn(reason, current, known));
  const { by } = causes[cause];
  const backdated = (released: Lease) =>
    cause === 'DEL' && reason.at !== undefined ? releasedSince(released, reason.at) : released;
  switch (verdict.answer) {
    case 'keep':
      return { ...verdict, lease: current };
    case 'forget':
      return { ...verdict, lease: current && forgetPending(current) };
    case 'abandon':
      return { ...verdict, lease: current && backdated(abandon(current, by, moment)) };
    case 'release':
      if (current === undefined) return { ...verdict, lease: unknownToRelease(identity, by, moment) };
      return { ...verdict, lease: backdated(startRelease(current, by, moment)) };
  }
}

/** The one rule for a combination. One that cannot be keeps the lease. */
export function endingRule(cause: Cause, phase: PhaseOrNone, evidence: Evidence): Verdict {
  const isMet = (row: Pick<EndingRule, 'cause' | 'phase' | 'evidence'>) =>
    row.cause === cause && row.phase.includes(phase) && row.evidence.includes(evidence);
  const rule = endings.find(isMet);
  if (rule !== undefined) return { answer: rule.answer, because: rule.because };
  const impossible = impossibleEndings.find(isMet);
  if (impossible === undefined) throw new Error(`no rule for ${cause}, ${phase}, ${evidence}`);
  return { answer: 'keep', because: impossible.because, isImpossible: true };
}

/** What is known of a lease that may end. */
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
