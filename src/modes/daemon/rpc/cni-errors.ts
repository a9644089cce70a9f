/** Maps errors to the CNI error codes that container runtimes see (SPEC section 5 "Error"). */
import { CniCode, CniError } from '../../../cni/errors.ts';
import { messageOf } from '../../../errno.ts';
import { GridError, type Reason } from '../../../infoblox/errors.ts';

const codes: Readonly<Record<Reason, number>> = {
  unreachable: CniCode.tryAgain,
  untrusted: CniCode.tryAgain,
  timeout: CniCode.tryAgain,
  busy: CniCode.tryAgain,
  'bad-answer': CniCode.tryAgain,
  'not-wapi': CniCode.tryAgain,
  'grid-fault': CniCode.tryAgain,
  'read-only': CniCode.tryAgain,
  unconfirmed: CniCode.tryAgain,
  credentials: CniCode.credentials,
  permission: CniCode.credentials,
  licence: CniCode.credentials,
  'wapi-version': CniCode.credentials,
  'unknown-attribute': CniCode.unexpected,
  'attribute-not-allowed': CniCode.unexpected,
  'attribute-value': CniCode.unexpected,
  missing: CniCode.unexpected,
  rejected: CniCode.unexpected,
  conflict: CniCode.networkConflict,
  'network-conflict': CniCode.networkConflict,
  'no-free-address': CniCode.noFreeAddress,
  'no-free-network': CniCode.noFreeAddress,
  'address-unavailable': CniCode.addressNotAvailable,
  'reservation-lost': CniCode.reservationLost,
  'invalid-spec': CniCode.invalidConfig,
  state: CniCode.io,
};

/** Converts any error to the CNI error for the runtime. */
export function asCniError(error: unknown): CniError {
  if (error instanceof CniError) return error;
  if (error instanceof GridError) return new CniError(codes[error.reason], error.message, error.hint);
  const what = `unexpected failure of the daemon: ${messageOf(error)}`;
  return new CniError(CniCode.unexpected, what, "see the daemon's log");
}

/**
 * Makes the error of STATUS.
 * @param error prevents the next ADD
 * @param notice added to the details
 */
export function notAvailable(error: GridError, notice?: string): CniError {
  const details = [error.hint ?? [], notice ?? []].flat().join('; ');
  return new CniError(CniCode.notAvailable, error.message, details === '' ? undefined : details);
}
