/** CHECK: does an attachment still hold what its caller was told? Only looks. */
import { GridError } from './errors.ts';
import type { Attachment } from './identity.ts';
import type { FixedAddress } from './objects.ts';
import type { Origins } from './origins.ts';
import type { Reservations } from './reservations.ts';
import type { Store } from './store.ts';
import { describeAltered, movedError, trace } from './trace.ts';

export interface HoldingCheckParts {
  readonly reservations: Reservations;
  readonly store: Store;
  readonly origins: Origins;
}

/**
 * Makes sure that the attachment still holds one of the addresses.
 * @param view where to look if this daemon does not know the attachment
 * @throws GridError `reservation-lost` saying what the grid has instead; `network-conflict` if its view was renamed
 */
export async function checkHolding(
  { reservations, store, origins }: HoldingCheckParts,
  attachment: Attachment,
  view: string,
  addresses: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const mark = origins.identityOf(attachment);
  const row = store.get(mark);
  const where = row?.view ?? view;
  const isTold = (object: FixedAddress) => addresses.includes(object.ipv4addr);
  let found = row?.state === 'owed' ? [] : await reservations.find(mark, where, signal);
  if (found.some(isTold)) return;
  // A Grid Master Candidate may show what the attachment held before.
  if (found.length > 0) found = await reservations.find(mark, where, signal, 'answer');
  if (found.some(isTold)) return;
  const name = `${attachment.containerId}/${attachment.ifName}`;
  const lost = (reason: string) =>
    new GridError(
      'reservation-lost',
      `${name} has lost its reservation of ${addresses.join(', ')} in network ${attachment.network}: ${reason}`,
      { cure: 'restart the container to give it an address of its own' },
    );
  if (row?.state === 'owed') throw lost('it has been deleted');
  if (found[0] !== undefined) throw lost(`it holds ${found[0].ipv4addr}`);
  const address = row?.address ?? addresses[0];
  if (address === undefined) throw lost('no address is known');
  const what = { mark, view: where, address };
  const became = await trace(reservations, what, signal);
  if (became.kind === 'altered') throw lost(`${address} ${describeAltered(became.object)}`);
  if (became.kind === 'gone') {
    throw lost(
      became.holder === undefined
        ? `the grid has no reservation of ${address} any more`
        : `${address} ${describeAltered(became.holder)}`,
    );
  }
  // Renamed, and the configuration follows: where it says, the reservation is.
  if (![view, where].includes(became.view)) throw movedError(name, what, became.view);
  if (!became.found.some((object) => addresses.includes(object.ipv4addr))) {
    throw lost(`it holds ${became.found[0]?.ipv4addr}`);
  }
}
