/** Blocks of hosts, as whoever is about to reserve an address of its choice meets them. */
import type { Cidr } from '../address.ts';
import { hasReason } from '../errors.ts';
import type { Grid } from '../grid.ts';
import { parseBlockMark } from '../mark.ts';

/**
 * Finds the host in whose block an address lies. A user who may not read ranges is told of none.
 * @returns its name, for people
 * @throws GridError
 */
export async function blockHostOf(
  grid: Pick<Grid, 'ranges'>,
  { address, network, view }: { readonly address: string; readonly network: Cidr; readonly view: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const ranges = await grid.ranges({ network, view, touching: { first: address, last: address } }, signal);
    return ranges.flatMap(({ comment }) => parseBlockMark(comment)?.origin.node ?? [])[0];
  } catch (error) {
    if (hasReason(error, 'permission', 'rejected')) return undefined;
    throw error;
  }
}
