/** Reserves again what an attachment lives on and the grid has lost. */
import { hasReason } from './errors.ts';
import { attachmentIn } from './identity.ts';
import type { Labels } from './labels.ts';
import type { Releases } from './releases.ts';
import type { Reservations } from './reservations.ts';
import type { Row, Store } from './store.ts';

export interface RestorationParts {
  readonly reservations: Reservations;
  readonly releases: Releases;
  readonly store: Store;
  readonly labels: Labels;
  readonly log: {
    warn(message: string, details?: Record<string, unknown>): void;
    error(message: string, details?: Record<string, unknown>): void;
  };
}

/**
 * To be called with the attachment's turn, after a look has shown that the grid has nothing of it. If somebody else has
 * the address by now, that is said in the log, and by every CHECK.
 * @throws GridError if it has to be tried again
 */
export async function restore(
  { reservations, releases, store, labels, log }: RestorationParts,
  row: Row,
  address: string,
  signal: AbortSignal,
): Promise<void> {
  const { identity, view } = row;
  const attachment = attachmentIn(identity);
  const name = attachment.containerId;
  const settled = { ...row, attempts: 0, dueAt: null, suspectUntil: null, doomedUntil: null };
  // Noted first: a create that comes late must not outlive a DEL that comes meanwhile.
  const suspectUntil = releases.certainFrom();
  store.put({ ...settled, suspectUntil, dueAt: releases.nextLook(suspectUntil) });
  try {
    const request = { identity, view, wanted: address, name, doomed: [] };
    await reservations.reserve({ ...request, labels: () => labels.forAttachment(attachment, name) }, signal);
    log.warn(`the grid had lost the reservation of ${address}: it is reserved again`, { for: identity });
  } catch (error) {
    if (!hasReason(error, 'conflict', 'missing', 'rejected') || error.outcome !== 'none') throw error;
    log.error(`the grid has lost the reservation of ${address}, and does not take it again: ${error.message}`, {
      for: identity,
      cure: 'restart this container, so that it gets an address of its own',
    });
  }
  store.put(settled);
}
