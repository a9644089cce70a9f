/**
 * Failures between this host and the grid: one class, and one stable reason for each. Their meaning for a container
 * runtime is decided elsewhere.
 */

/** Why an operation failed. Stable: tests, logs and the table of CNI error codes depend on these words. */
export type Reason =
  /** No connection to the grid: refused, no route, name not found, no TLS. */
  | 'unreachable'
  /** The grid's certificate or key is not accepted; only the operator can fix that. */
  | 'untrusted'
  /** No answer in time. */
  | 'timeout'
  /**
   * The time ran out before the request was sent: the queue was too long, or the look that a write depends on was too
   * old.
   */
  | 'busy'
  /** The connection broke, or the answer was not WAPI's: HTML, truncated, empty, too large. */
  | 'bad-answer'
  /**
   * A 4xx that is not WAPI's, such as 414: the server refuses this request. It says nothing about other requests or the
   * grid as a whole.
   */
  | 'not-wapi'
  /** The grid answered 5xx, or 429. */
  | 'grid-fault'
  /** The grid refuses writes now: a Grid Master Candidate, or maintenance. */
  | 'read-only'
  /** Not found, but only by a grid host that may lag behind the Grid Master. */
  | 'unconfirmed'
  /** User name or password refused. */
  | 'credentials'
  /** The user may not do this. */
  | 'permission'
  /** The grid lacks the licence for this. */
  | 'licence'
  /** The grid does not support the requested WAPI version. */
  | 'wapi-version'
  /** An extensible attribute that the grid does not define. */
  | 'unknown-attribute'
  /** An extensible attribute that is not allowed on this object type. */
  | 'attribute-not-allowed'
  /** An extensible attribute with a value that the grid refuses. */
  | 'attribute-value'
  /** The object exists already or conflicts with another one. */
  | 'conflict'
  /** The object, or one that it needs, does not exist. */
  | 'missing'
  /** Any other refusal by the grid: the request is invalid. */
  | 'rejected'
  | 'no-free-address'
  | 'no-free-network'
  /** The network configuration asks for something impossible. */
  | 'invalid-spec'
  /** The network belongs to another name, or is another one than configured. */
  | 'network-conflict'
  /** The requested address is outside the network or taken. */
  | 'address-unavailable'
  /** CHECK: the reservation is gone or no longer ours. */
  | 'reservation-lost'
  /** The daemon's own state cannot be written. */
  | 'state';

/**
 * The effect of a failed request on the grid. `none`: none, certainly. `unknown`: it has ended, but only a look shows
 * whether a write was carried out. `open`: it got no answer and may be carried out even after such a look.
 */
export type Outcome = 'none' | 'unknown' | 'open';

interface GridErrorOptions {
  /** The fix for the operator, one sentence. */
  readonly hint?: string | undefined;
  readonly outcome?: Outcome;
  /** The refused extensible attribute. */
  readonly attribute?: string | undefined;
  /** A write by reference was not carried out; after another look a new one may succeed. */
  readonly mayLookAgain?: boolean;
  readonly cause?: unknown;
}

/** The only error class of src/infoblox. `message` is `what: why`; `hint` is the fix in one sentence. */
export class GridError extends Error {
  readonly reason: Reason;
  readonly hint: string | undefined;
  readonly outcome: Outcome;
  readonly attribute: string | undefined;
  readonly mayLookAgain: boolean;

  constructor(reason: Reason, message: string, options: GridErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GridError';
    this.reason = reason;
    this.hint = options.hint;
    this.outcome = options.outcome ?? 'none';
    this.attribute = options.attribute;
    this.mayLookAgain = options.mayLookAgain ?? false;
  }
}

/** Marks an error: a retry after another look may succeed. */
export function forAnotherLook(cause: GridError): GridError {
  const { reason, message, hint, outcome, attribute } = cause;
  return new GridError(reason, message, { hint, outcome, attribute, mayLookAgain: true, cause });
}

/** Tells whether the grid failed, not the request: the same request may succeed later. */
export function isGridAway(error: unknown): error is GridError {
  return hasReason(error, 'unreachable', 'untrusted', 'timeout', 'bad-answer', 'grid-fault', 'read-only');
}

/** Tells whether the grid refuses this user: no request can succeed before the operator acts. */
export function isRefused(error: unknown): error is GridError {
  return hasReason(error, 'credentials', 'permission', 'licence', 'wapi-version');
}

/** Tells whether a write may still be carried out after this error. */
export function isOpen(error: unknown): boolean {
  return error instanceof GridError && error.outcome === 'open';
}

/** Tells whether `error` is a GridError of one of the given reasons. */
export function hasReason(error: unknown, ...reasons: readonly Reason[]): error is GridError {
  return error instanceof GridError && reasons.includes(error.reason);
}

/** For `catch` of a read: returns undefined if the user has no right to it. @throws any other error */
export function undefinedIfUnreadable(error: unknown): undefined {
  if (!hasReason(error, 'permission', 'rejected')) throw error;
}

/**
 * Tells whether the object of a failed create may exist: made by another host, or by this create, whose answer was
 * lost.
 */
export function mayExist(error: unknown): error is GridError {
  return error instanceof GridError && (error.reason === 'conflict' || error.outcome !== 'none');
}
