/** Reserves again what an attachment lives on and the grid has lost. */
import { GridError, hasReason } from './errors.ts';
import { attachmentIn, parseMark } from './mark.ts';
import type { Labels } from './attributes.ts';
import type { Releases } from './releases.ts';
import type { Reservation, Reservations } from './reservations.ts';
import type { Row, Store } from './store.ts';

export interface RestorationParts {
  readonly reservations: Reservations;
  readonly releases: Releases;
  readonly store: Store;
  readonly labels: Labels;
  readonly log: { warn(message: string, details?: Record<string, unknown>): void };
}

/** As `reserveAgain`, for an attachment that lives on the address: the log says so. */
export async function restore(
  parts: RestorationParts,
  row: Row,
  address: string,
  signal: AbortSignal,
): Promise<GridError | undefined> {
  const refusal = await reserveAgain(parts, row, address, signal);
  if (refusal !== undefined) return refusal;
  warnOfLoss(parts.log, address, row.identity);
  return undefined;
}

/** Says that a reservation was missing on the grid and is there again. */
export function warnOfLoss(log: RestorationParts['log'], address: string, mark: string): void {
  const cure =
    'nothing while its container lives; if it was deleted because that is gone, send a DEL for the container';
  const details = parseMark(mark) === undefined ? {} : { cure };
  log.warn(`the grid had lost the reservation of ${address}: it is reserved again`, { for: mark, ...details });
}

/**
 * To be called with the attachment's turn, after a look that has found nothing of it on the grid. The row stays what it is,
 * and suspect, to be looked at later for what a lost answer may have left.
 * @returns why the grid does not take it again; undefined if it is reserved
 * @throws GridError if it has to be tried again
 */
export async function reserveAgain(
  { reservations, releases, store, labels }: Omit<RestorationParts, 'log'>,
  row: Row,
  address: string,
  signal: AbortSignal,
): Promise<GridError | undefined> {
  const { identity, view } = row;
  const attachment = attachmentIn(identity);
  const name = attachment.containerId;
  // Noted first: a create that comes late must not outlive a DEL that comes meanwhile.
  const suspectUntil = releases.certainFrom();
  const doomedUntil = releases.isDoomed(row) ? row.doomedUntil : null;
  store.put({ ...row, attempts: 0, doomedUntil, suspectUntil, dueAt: releases.nextLook(suspectUntil) });
  let made: Reservation;
  try {
    const request = { identity, view, wanted: address, name, doomed: [] };
    made = await reservations.reserve({ ...request, labels: () => labels.forAttachment(attachment, name) }, signal);
  } catch (error) {
    if (hasReason(error, 'conflict', 'missing', 'rejected') && error.outcome === 'none') return error;
    throw error;
  }
  // A late create of an earlier ADD, which the next look removes.
  if (made.address !== address) throw new GridError('busy', `${made.address} is in the place of ${address}`);
  return undefined;
}
