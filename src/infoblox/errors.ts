/**
 * What can go wrong between this host and the grid, as values: one class, and one stable reason for each failure. What a
 * reason means to a container runtime is decided elsewhere.
 */

/** Why an operation failed. Stable: tests, logs and the table of CNI error codes go by these words. */
export type Reason =
  /** No connection to the grid: refused, no route, name not found, no TLS. */
  | 'unreachable'
  /** The grid's certificate or key is not accepted: only the operator can mend that. */
  | 'untrusted'
  /** No answer in time. */
  | 'timeout'
  /** The time ran out before the request was sent: too many others were waiting, or the look that it depends on was too old. */
  | 'busy'
  /** The connection broke, or the answer was no WAPI answer: HTML, truncated, empty, too large. */
  | 'bad-answer'
  /**
   * A 4xx that is not WAPI's, such as 414: whoever answered does not take this request. It tells nothing of other requests, so
   * nothing of the grid as a whole.
   */
  | 'not-wapi'
  /** The grid answered 5xx. */
  | 'grid-fault'
  /** The grid does not take writes now: a Grid Master Candidate, or maintenance. */
  | 'read-only'
  /** Not found, but only a host was asked that may lack what the Grid Master has. */
  | 'unconfirmed'
  /** User name or password refused. */
  | 'credentials'
  /** The user may not do this. */
  | 'permission'
  /** The grid lacks the licence for this. */
  | 'licence'
  /** The grid does not have the WAPI version asked for. */
  | 'wapi-version'
  /** An extensible attribute that the grid does not define. */
  | 'unknown-attribute'
  /** An extensible attribute that objects of this type must not have. */
  | 'attribute-not-allowed'
  /** An extensible attribute that the grid defines, with a value that it does not take. */
  | 'attribute-value'
  /** The object exists already or collides with another one. */
  | 'conflict'
  /** The object, or one that it needs, is not there. */
  | 'missing'
  /** Any other refusal by the grid: the request itself is at fault. */
  | 'rejected'
  | 'no-free-address'
  | 'no-free-network'
  /** The network configuration asks for something impossible. */
  | 'invalid-spec'
  /** The network exists, but is somebody else's or another one than asked for. */
  | 'network-conflict'
  /** The requested address is outside the network or taken. */
  | 'address-unavailable'
  /** CHECK: the reservation is gone or no longer ours. */
  | 'reservation-lost'
  /** The daemon's own state cannot be written. */
  | 'state';

/**
 * What a failed request did to the grid. `none`: certainly nothing. `unknown`: it is over, but whether a write was carried
 * out only a look at the grid tells. `open`: it got no answer, so it may be carried out even after such a look.
 */
export type Outcome = 'none' | 'unknown' | 'open';

interface GridErrorOptions {
  /** What the operator can do about it, one sentence. */
  readonly hint?: string | undefined;
  readonly outcome?: Outcome;
  /** The name of the extensible attribute that is refused. */
  readonly attribute?: string | undefined;
  /** Of a write by reference: it was not carried out, and another look may lead to one that is. */
  readonly mayLookAgain?: boolean;
  readonly cause?: unknown;
}

/** The one error of src/infoblox. `message` is `what: why`; `hint` says in one sentence what to do. */
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

/** Says of an error that another look may help. */
export function forAnotherLook(cause: GridError): GridError {
  const { reason, message, hint, outcome, attribute } = cause;
  return new GridError(reason, message, { hint, outcome, attribute, mayLookAgain: true, cause });
}

/** Tells whether the grid is the trouble, not the request: the same request may succeed later. */
export function isGridAway(error: unknown): error is GridError {
  return hasReason(error, 'unreachable', 'untrusted', 'timeout', 'bad-answer', 'grid-fault', 'read-only');
}

/** Tells whether the grid refuses this user: no request can succeed until the operator has done something. */
export function isRefused(error: unknown): error is GridError {
  return hasReason(error, 'credentials', 'permission', 'licence', 'wapi-version');
}

/** Tells whether `error` is a GridError of one of the given reasons. */
export function hasReason(error: unknown, ...reasons: readonly Reason[]): error is GridError {
  return error instanceof GridError && reasons.includes(error.reason);
}

/** Tells whether a create failed in a way that leaves the object possibly there: made by another, or by a lost answer. */
export function mayExist(error: unknown): error is GridError {
  return error instanceof GridError && (error.reason === 'conflict' || error.outcome !== 'none');
}
