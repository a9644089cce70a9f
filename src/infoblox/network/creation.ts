/** `--create`: the objects that the driver may create on the grid for networks. An administrator must create the others. */
import { type Cidr, type Interval, spanOf } from '../address.ts';
import { GridError } from '../errors.ts';
import { networkMark } from '../mark.ts';

/** From the least to the most. Reservations and blocks are always created. */
export const creations = ['none', 'networks', 'all'] as const;
export type Creation = (typeof creations)[number];

/** Returns the stricter of two values. */
export function narrower(one: Creation, other: Creation): Creation {
  return creations.indexOf(one) < creations.indexOf(other) ? one : other;
}

/** A missing object. */
type Missing =
  | { readonly kind: 'network view' }
  | { readonly kind: 'network container' | 'network'; readonly cidr: Cidr }
  | { readonly kind: 'range'; readonly interval: Interval }
  /** A network for a name. */
  | { readonly kind: 'next network'; readonly prefixLength: number; readonly container: Cidr };

/**
 * Refuses an ADD that lacks an object which must not be created.
 * @throws GridError `network-conflict` that names all missing objects
 */
export function refuseCreation(
  { name, view, create }: { readonly name: string; readonly view: string; readonly create: Creation },
  missing: readonly Missing[],
): void {
  const isOfNetworks = ({ kind }: Missing) => kind !== 'network view' && kind !== 'network container';
  const refused = missing.filter((one) => create === 'none' || (create === 'networks' && !isOfNetworks(one)));
  if (refused.length === 0) return;
  const list = refused.map((one) => textOf(one, { name, view })).join(' and ');
  const how = [
    refused.some(({ kind }) => kind === 'next network') ? `, the network with the comment "${networkMark(name)}"` : '',
    // A DHCP member must not serve it.
    refused.some(({ kind }) => kind === 'range') ? ', each range reserved' : '',
  ].join('');
  const what = `${list} ${refused.length === 1 ? 'is' : 'are'} missing on the grid, and must not be created here (create: ${create})`;
  throw new GridError('network-conflict', what, {
    hint: `have ${refused.length === 1 ? 'it' : 'them'} created on the grid${how}; or allow it by --create, and "create" in the network configuration`,
  });
}

function textOf(missing: Missing, { name, view }: { readonly name: string; readonly view: string }): string {
  switch (missing.kind) {
    case 'network view':
      return `network view ${view}`;
    case 'range':
      return `range ${spanOf(missing.interval)} in view ${view}`;
    case 'next network':
      return `a network for ${name}, a /${missing.prefixLength} of ${missing.container.text} in view ${view},`;
    default:
      return `${missing.kind} ${missing.cidr.text} in view ${view}`;
  }
}
