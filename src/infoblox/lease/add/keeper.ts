/** Whose an address is that the grid gives out, although no container may have it. */
import { gatewayMark, hostMark, type Origin } from '../../mark.ts';
import type { ReadyNetwork } from '../../network/networks.ts';
import type { Found } from '../plan.ts';

interface Keepers {
  readonly network: ReadyNetwork;
  /** The network's name. */
  readonly name: string;
  readonly host: Origin;
  /** Whether the object's address is one of the host's own. */
  readonly isOwn: boolean;
}

/**
 * Decides who has to have an object that was made for a container.
 * @returns the mark of its owner: gateway, other attachment, or this host; undefined if the container may have it
 */
export function keeperOf({ address, view, owner }: Found, { network, name, host, isOwn }: Keepers): string | undefined {
  const isHere = view === network.view;
  if (isHere && address === network.kept) return gatewayMark(name);
  return owner ?? (isHere && isOwn ? hostMark(host) : undefined);
}
