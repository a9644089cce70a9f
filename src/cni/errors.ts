/**
 * The error object of the CNI specification (SPEC section 5 "Error") and the codes that this plugin uses.
 * Loaded by the plugin process: keep it free of imports.
 */

/** The specification and its reference library own 0-99; this plugin's own codes start at 100. */
export const CniCode = {
  incompatibleVersion: 1,
  invalidEnvironment: 4,
  io: 5,
  decode: 6,
  invalidConfig: 7,
  /** Not in the specification, but in the reference library: CNI_NETNS is the plugin's own namespace. */
  ownNamespace: 8,
  tryAgain: 11,
  /** STATUS: no ADD can be served now. */
  notAvailable: 50,
  unexpected: 100,
  noFreeAddress: 101,
  networkConflict: 102,
  /** Wrong credentials, missing permission or licence. */
  credentials: 103,
  /** CHECK: the reservation is gone or is no longer this container's. */
  reservationLost: 104,
  /** The requested address is not available. */
  addressNotAvailable: 105,
} as const;

/**
 * A failure as the plugin's caller sees it. `message` names the thing and the reason: main plugins may pass on only
 * this text. `details` names the fix. Neither may contain a secret.
 */
export class CniError extends Error {
  override readonly name = 'CniError';
  /** One of `CniCode`, or the code that a daemon of another release sent. */
  readonly code: number;
  readonly details: string | undefined;

  constructor(code: number, msg: string, details?: string) {
    super(msg);
    this.code = code;
    this.details = details;
  }
}

/**
 * Makes the error object for stdout (SPEC section 5 "Error").
 * @param cniVersion the version of the call, or that of `answerVersion` if the call is unreadable
 */
export function formatError(error: CniError, cniVersion: string): Record<string, unknown> {
  const document = { cniVersion, code: error.code, msg: error.message };
  return error.details ? { ...document, details: error.details } : document;
}
