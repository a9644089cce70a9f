/** CHECK: does an attachment still hold what its caller was told? Only looks. */
import { GridError } from './errors.ts';
import type { Attachment } from './identity.ts';
import type { Origins } from './origins.ts';
import type { Reservations } from './reservations.ts';
import type { Row, Store } from './store.ts';

export interface HoldingCheckParts {
  readonly reservations: Reservations;
  readonly store: Store;
  readonly origins: Origins;
}

/**
 * Makes sure that the attachment still holds one of the addresses.
 * @param view where to look if this daemon does not know the attachment
 * @throws GridError `reservation-lost` saying what the grid has instead
 */
export async function checkHolding(
  { reservations, store, origins }: HoldingCheckParts,
  attachment: Attachment,
  view: string,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const identity = origins.identityOf(attachment);
  const row = store.get(identity);
  const owed = row?.state === 'owed';
  const found = owed ? [] : await reservations.find(identity, row?.view ?? view, signal);
  if (found.some((object) => addresses.includes(object.ipv4addr))) return;
  const other = found[0]?.ipv4addr;
  const held =
    other === undefined ? await whatHappened(reservations, row, addresses, view, signal) : `it holds ${other}`;
  const name = `${attachment.containerId}/${attachment.ifName}`;
  throw new GridError(
    'reservation-lost',
    `${name} has lost its reservation of ${addresses.join(', ')} in network ${attachment.network}: ${held}`,
    { cure: 'restart the container to give it an address of its own' },
  );
}

async function whatHappened(
  reservations: Reservations,
  row: Row | undefined,
  addresses: readonly string[],
  view: string,
  signal: AbortSignal,
): Promise<string> {
  if (row?.state === 'owed') return 'it has been deleted';
  const address = row?.address ?? addresses[0];
  if (address === undefined) return 'no address is known';
  const [holder] = await reservations.at(address, row?.view ?? view, signal);
  if (holder === undefined) return `the grid has no reservation of ${address} any more`;
  return `${address} was changed in the grid and is now "${holder.comment}"`;
}
