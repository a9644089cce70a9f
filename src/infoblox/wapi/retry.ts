/**
 * Decides what a failed attempt shows about the host and the grid, whether to repeat the request, whether another look may help a write by
 * reference, and whether an answer needs confirmation. Pure: the session acts.
 */
import { pauseBefore } from '../concurrency/clock.ts';
import { GridError, hasReason, isGridAway } from '../errors.ts';
import { maxRetries, retryPause } from '../grid.ts';
import { describe, type Request } from './request.ts';

/**
 * Milliseconds without an answer that count against the grid even if the caller gave up. For a slow grid, twice its usual time.
 */
export const evidenceWindowMs = 3_000;
/** Milliseconds of trouble during which requests are repeated; later, each gets one attempt until the grid is back. */
const maxTroubleMs = 10_000;

export interface FailedAttempt {
  readonly error: GridError;
  /** 0 for the first. */
  readonly attempt: number;
  /** Milliseconds since it was sent. */
  readonly tookMs: number;
  /** Milliseconds of the grid's recent answers. */
  readonly usualMs: number;
  /** Whether the caller has stopped waiting. */
  readonly callerLeft: boolean;
  /** Whether another host may serve the request. */
  readonly otherHost: boolean;
  /** Milliseconds since the grid's trouble began; 0 without trouble. */
  readonly troubleMs: number;
  /** Returns a number from 0 up to 1, to spread pauses. */
  readonly random: () => number;
}

export interface RetryDecision {
  /** Whether to avoid the host for a while, if there is another. */
  readonly hostFailed: boolean;
  /** What the attempt shows about the grid; undefined: nothing. A refusal by WAPI is an answer, so the grid is well. */
  readonly grid: 'in trouble' | 'well' | 'unclear' | undefined;
  /** Milliseconds until the request is repeated; undefined: never. */
  readonly pauseMs: number | undefined;
  /** For a write by reference, which is never repeated: whether it may succeed after another look. */
  readonly mayLookAgain: boolean;
}

/** Decides what follows from a failed attempt. */
export function retryDecision(failed: FailedAttempt): RetryDecision {
  const { error, tookMs, usualMs, callerLeft, otherHost } = failed;
  // A caller who leaves early proves nothing about the grid.
  const isEvidence = !callerLeft || tookMs > Math.max(evidenceWindowMs, 2 * usualMs);
  const away = isGridAway(error);
  const notWapi = hasReason(error, 'not-wapi');
  // While another host may serve, one failed host is not the grid. A request that was not sent shows nothing.
  const concernsGrid = isEvidence && !(away && otherHost) && error.reason !== 'busy';
  const inTrouble = away || hasReason(error, 'credentials', 'wapi-version', 'licence');
  const grid = notWapi ? 'unclear' : inTrouble ? 'in trouble' : 'well';
  return {
    hostFailed: isEvidence && (away || notWapi),
    grid: concernsGrid ? grid : undefined,
    pauseMs: callerLeft ? undefined : pauseAfter(failed),
    mayLookAgain: !callerLeft && lookMayHelp(failed),
  };
}

function pauseAfter({ error, attempt, otherHost, troubleMs, random }: FailedAttempt): number | undefined {
  // A write is repeated only if it certainly changed nothing; the outcome of a read is always `none`.
  if (error.outcome !== 'none' || attempt >= maxRetries) return undefined;
  if (!isFinal(error) && !isGridAway(error)) return undefined;
  if (otherHost) return 0;
  if (isFinal(error)) return undefined;
  // After long trouble, each request gets one attempt: callers need a quick answer.
  return troubleMs > maxTroubleMs ? undefined : pauseBefore(attempt, retryPause, random);
}

/** Tells whether another look may help. Not while the write may still be carried out. */
function lookMayHelp({ error, otherHost }: FailedAttempt): boolean {
  if (error.outcome === 'open') return false;
  if (isFinal(error)) return otherHost;
  return error.mayLookAgain || isGridAway(error) || hasReason(error, 'missing', 'unconfirmed');
}

/** Tells whether the same host would fail again: only the operator can repair the first two, and the last concerns the request. */
function isFinal(error: GridError): boolean {
  return hasReason(error, 'read-only', 'untrusted', 'not-wapi');
}

/**
 * Decides whether the host that accepts writes must confirm an answer. A Grid Master Candidate serves reads but may lack the master's
 * latest writes (NIOS 9.0 documentation, "Enabling Read-only API Access", "Promoting a Grid Master Candidate"), so its answers, also
 * "missing", are no proof.
 * @param answered.writer the host known to accept writes
 * @param error the refusal of `host`; undefined if it returned a value
 */
export function needsConfirmation(
  { confirm }: Request,
  { host, writer }: { readonly host: string; readonly writer: string | undefined },
  error?: GridError,
): boolean {
  if (confirm !== true || host === writer) return false;
  return error === undefined || error.reason === 'missing';
}

/** Makes the error for an answer that cannot be confirmed. */
export function unconfirmed(
  request: Request,
  { host, writer }: { readonly host: string; readonly writer: string | undefined },
  cause: unknown,
): GridError {
  const why =
    writer === undefined
      ? `${host} may lack the latest writes, and no host is known to accept writes`
      : `${host} is not known to accept writes and may lack the latest writes; ${writer}, which does, cannot be asked`;
  return new GridError('unconfirmed', `${describe(request)}: ${why}`, {
    cause,
    hint: 'see why the Grid Master does not answer, and name it first in --grid-host; the daemon tries again',
  });
}
