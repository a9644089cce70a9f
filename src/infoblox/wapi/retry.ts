/**
 * What a failed attempt says about the host and about the grid, and whether the request is sent again, or, for a write by reference,
 * another look helps; and whether an answer is believed. Pure: the session acts.
 */
import { pauseBefore } from '../concurrency/clock.ts';
import { GridError, hasReason, isGridAway } from '../errors.ts';
import { describe, type Request } from './request.ts';

/**
 * Milliseconds without an answer that are evidence against the grid also when the caller gives up then; of a slow grid, those that
 * it took of late, twice.
 */
export const evidenceWindowMs = 3_000;
/** Milliseconds of trouble during which requests are repeated; after it each gets one try until the grid is back. */
const maxTroubleMs = 10_000;
/** Before each further try; together they outlast a fail-over of 4-5 s (NIOS 9.0 documentation, "About HA Failover"). */
const retryPause = { firstMs: 250, maxMs: 3_000 };
const maxRetries = 5;

export interface FailedAttempt {
  readonly error: GridError;
  /** 0 for the first. */
  readonly attempt: number;
  /** Milliseconds since it was sent. */
  readonly took: number;
  /** Milliseconds that the grid has taken for an answer of late. */
  readonly usualMs: number;
  /** Whether the caller waits no longer. */
  readonly callerLeft: boolean;
  /** Whether another host may do what this one could not. */
  readonly otherHost: boolean;
  /** Milliseconds for which the grid has been in trouble; 0 if it was well. */
  readonly troubleFor: number;
  /** Spreads pauses: gives a number from 0 up to 1. */
  readonly random: () => number;
}

export interface RetryDecision {
  /** The host is left alone for a while, if there is another. */
  readonly hostFailed: boolean;
  /** What the attempt says about the grid; undefined: nothing. A refusal of WAPI is an answer: the grid is well. */
  readonly grid: 'in trouble' | 'well' | 'unclear' | undefined;
  /** Milliseconds until the request is sent again; undefined: it is not. */
  readonly pause: number | undefined;
  /** Of a write by reference, which is never sent again: whether another look may lead to one that is carried out. */
  readonly mayLookAgain: boolean;
}

/** Decides what follows from an attempt that has failed. */
export function retryDecision(failed: FailedAttempt): RetryDecision {
  const { error, took, usualMs, callerLeft, otherHost } = failed;
  // A caller who leaves early proves nothing about the grid.
  const isEvidence = !callerLeft || took > Math.max(evidenceWindowMs, 2 * usualMs);
  const away = isGridAway(error);
  const notWapi = hasReason(error, 'not-wapi');
  // One host is not the grid, as long as another may serve. What was never sent tells nothing.
  const concernsGrid = isEvidence && !(away && otherHost) && error.reason !== 'busy';
  const inTrouble = away || hasReason(error, 'credentials', 'wapi-version', 'licence');
  const grid = notWapi ? 'unclear' : inTrouble ? 'in trouble' : 'well';
  return {
    hostFailed: isEvidence && (away || notWapi),
    grid: concernsGrid ? grid : undefined,
    pause: callerLeft ? undefined : pauseAfter(failed),
    mayLookAgain: !callerLeft && lookMayHelp(failed),
  };
}

function pauseAfter({ error, attempt, otherHost, troubleFor, random }: FailedAttempt): number | undefined {
  // A write is repeated only if it certainly did nothing; a read never does anything.
  if (error.outcome !== 'none' || attempt >= maxRetries) return undefined;
  if (!isFinal(error) && !isGridAway(error)) return undefined;
  if (otherHost) return 0;
  if (isFinal(error)) return undefined;
  // A grid that has been away for a while gets one try a request: callers need their answer, not hope.
  return troubleFor > maxTroubleMs ? undefined : pauseBefore(attempt, retryPause, random);
}

/** A write that may still be carried out is waited for, not looked after. */
function lookMayHelp({ error, otherHost }: FailedAttempt): boolean {
  if (error.outcome === 'open') return false;
  if (isFinal(error)) return otherHost;
  return error.mayLookAgain || isGridAway(error) || hasReason(error, 'missing', 'unconfirmed');
}

/** The same host would answer the same: only the operator can mend the first two, and the last is about the request. */
function isFinal(error: GridError): boolean {
  return hasReason(error, 'read-only', 'untrusted', 'not-wapi');
}

/**
 * Decides whether the host that accepts writes has to be asked the same. A Grid Master Candidate serves reads but may lack what the
 * master has just confirmed (NIOS 9.0 documentation, "Enabling Read-only API Access", "Promoting a Grid Master Candidate"), so from it
 * neither "there is none" nor a whole answer is proof.
 * @param answered.writer who is known to accept writes
 * @param error what `host` refused it with; undefined if it gave a value
 */
export function needsConfirmation(
  { confirm }: Request,
  { host, writer }: { readonly host: string; readonly writer: string | undefined },
  error?: GridError,
): boolean {
  if (confirm !== true || host === writer) return false;
  return error === undefined || error.reason === 'missing';
}

/** Makes the error for an answer that nobody confirms. */
export function unconfirmed(
  request: Request,
  { host, writer }: { readonly host: string; readonly writer: string | undefined },
  cause: unknown,
): GridError {
  const why = writer === undefined ? 'no host is known to' : `${writer}, which does, cannot be asked`;
  return new GridError(
    'unconfirmed',
    `${describe(request)}: ${host} is not known to accept writes and may lack what was written last; ${why}`,
    {
      cause,
      hint: 'see why the Grid Master does not answer, and name it first in --grid-host; the daemon tries again',
    },
  );
}
