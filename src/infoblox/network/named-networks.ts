/** The networks that carry a network name, complete or still being set up. */
import { type Cidr, compareAddresses, parseCidr } from '../address.ts';
import { GridError } from '../errors.ts';
import { namedInComment, networkMark, pendingNetworkMark, shortNetworkName, yieldedNetworkMark } from '../mark.ts';
import type { WapiClient } from '../wapi/client.ts';
import { beginsWith } from '../wapi/paged-search.ts';
import type { Network } from '../wapi/schemas.ts';
import type { NetworkSpec } from './spec.ts';

export interface NamedNetworks {
  /** The lowest address first. */
  readonly complete: readonly Network[];
  /** Created for the name and not confirmed yet; the lowest address first. */
  readonly pending: readonly Network[];
}

/**
 * Looks for the networks of a name in one view: by our comment, and by the extensible attribute that administrators and
 * the original driver write. What people have added to the comment does not matter: the search is by its beginning.
 * A network that is confirmed between the two searches shows up in both lists, never in none, whichever comes first: the
 * search by comment finds it before and after.
 */
export async function findNamedNetworks(
  wapi: WapiClient,
  { name, view }: Pick<NetworkSpec, 'name' | 'view'>,
  signal: AbortSignal,
): Promise<NamedNetworks> {
  const [commented, attributed] = await Promise.all([
    wapi.findNetworks({ 'comment~': beginsWith(networkMark(name)), network_view: view }, signal),
    wapi.findNetworksNamed(name, view, signal),
  ]);
  const marked = commented.filter(({ comment }) => namedInComment(comment) === shortNetworkName(name));
  const pendingMark = pendingNetworkMark(name);
  const incomplete = [pendingMark, yieldedNetworkMark(name)];
  const complete = [...marked, ...attributed].filter(({ comment }) => !incomplete.includes(comment));
  return {
    complete: [...new Map(complete.map((network) => [network._ref, network])).values()].sort(byAddress),
    pending: marked.filter(({ comment }) => comment === pendingMark).sort(byAddress),
  };
}

/** Reads where a network lies. @throws GridError `bad-answer` if the grid does not say it */
export function cidrOf({ network }: Network): Cidr {
  const cidr = parseCidr(network);
  if (cidr === undefined) throw new GridError('bad-answer', `the grid calls a network "${network}"`);
  return cidr;
}

function byAddress(one: Network, other: Network): number {
  const base = ({ network }: Network) => parseCidr(network)?.base ?? '0.0.0.0';
  return compareAddresses(base(one), base(other));
}
