/** One source of addresses, as a network configuration asks for it: checked, and in one form. Those of a configuration: sets.ts. */
import { type Cidr, sizeOf, spanSize } from '../address.ts';
import { GridError } from '../errors.ts';
import type { Creation } from './creation.ts';
import { refuseNoAddress, resolveGateway, strictCidr, strictPrefixLength } from './notation.ts';
import { type NetworkPart, type PartInput, partOf } from './part.ts';

/** Where a network lies: at a fixed place, or wherever one of a given size is free in one of some network containers. */
type NetworkPlace =
  | { readonly kind: 'subnet'; readonly cidr: Cidr }
  | {
      readonly kind: 'container';
      /** In the order to be tried. */
      readonly containers: readonly [Cidr, ...Cidr[]];
      /** Bits. */
      readonly prefixLength: number;
    };

export interface NetworkSpec {
  readonly name: string;
  /** Network view. */
  readonly view: string;
  readonly place: NetworkPlace;
  readonly part: NetworkPart;
  /** Subnets of the other sources of the same configuration: networks of the same name. */
  readonly others: readonly Cidr[];
  /** As configured; `0.0.0.x` and `::x` are resolved once the network is known. */
  readonly gateway?: string;
  /** The main plugin takes the first host address for itself, without telling us. */
  readonly keepFirst: boolean;
  /** Milliseconds that the reservation of an address is kept when it is released. */
  readonly cooldownMs: number;
  /** Addresses of a block that this host takes for itself; 0: it takes none. */
  readonly blockSize: number;
  readonly create: Creation;
}

/** A spec whose network lies in a place of one kind. */
export type SpecOf<Kind extends NetworkPlace['kind']> = NetworkSpec & {
  readonly place: Extract<NetworkPlace, { readonly kind: Kind }>;
};

/** The same as it comes from the network configuration and, for what that leaves out, from the daemon's flags. */
export interface SpecInput extends PartInput {
  /** What stands before its keys in errors, such as `ranges[0][1].`; nothing if absent. */
  readonly path?: string;
  readonly name: string;
  readonly view: string;
  readonly subnet?: string | undefined;
  /** Comma-separated, in the order to be tried. */
  readonly containers: string;
  /** Bits; undefined: there is none for a network of this family. */
  readonly prefixLength: number | undefined;
  readonly gateway?: string | undefined;
  readonly keepFirst: boolean;
  /** Milliseconds, from 0 to `maxCooldownMs`; 0 if absent. */
  readonly cooldownMs?: number;
  readonly blockSize?: number | undefined;
  /** Counts where the configuration names none and the network is large enough; 0 if absent. */
  readonly defaultBlockSize?: number;
  /** `all` if absent. */
  readonly create?: Creation;
}

/** Milliseconds: longer than switches and connection tables remember who had an address. */
export const maxCooldownMs = 3_600_000;
/** Characters of a network view's name at most, so that it fits into the URL of a search, whatever it takes to encode it. */
export const maxViewLength = 256;
/** Characters of a network's name at most, in configurations for which an address is given. */
export const maxNameLength = 1_000;

/**
 * Checks a network configuration before the grid is asked.
 * @throws GridError `invalid-spec` naming the key, the reason and the fix
 */
export function networkSpec(input: SpecInput): NetworkSpec {
  const { path = '', name, view, gateway, keepFirst, cooldownMs = 0, create = 'all' } = input;
  refuseLong(input);
  const place: NetworkPlace =
    input.subnet === undefined
      ? containerPlace(input)
      : { kind: 'subnet', cidr: strictCidr(`${path}subnet`, input.subnet) };
  const subnet = place.kind === 'subnet' ? place.cidr : undefined;
  if (gateway !== undefined) refuseNoAddress(`${path}gateway`, gateway);
  const part = partOf(
    input,
    subnet,
    gateway === undefined || subnet === undefined ? [] : [resolveGateway(gateway, subnet)],
  );
  const blockSize = blockSizeIn(place, part, input);
  const common = { name, view, place, part, others: [], keepFirst, cooldownMs, blockSize, create };
  return gateway === undefined ? common : { ...common, gateway };
}

/** Limits are far above what is of use: no request, message or log is to be flooded. */
function refuseLong({ path = '', name, view, subnet = '', containers, gateway = '' }: SpecInput): void {
  const values: readonly (readonly [key: string, value: string, maxLength: number])[] = [
    ['name', name, maxNameLength],
    ['network-view', view, maxViewLength],
    [`${path}subnet`, subnet, 64],
    [`${path}network-container`, containers, 2_000],
    [`${path}gateway`, gateway, 64],
  ];
  for (const [key, { length }, maxLength] of values) {
    if (length <= maxLength) continue;
    throw new GridError('invalid-spec', `${key} has ${length} characters, more than ${maxLength}`, {
      hint: `shorten ${key} in the network configuration`,
    });
  }
}

/** Names a spec: two specs have one key exactly if they ask for the same addresses. */
export function specKey({ name, view, place, part, gateway, keepFirst, blockSize, create }: NetworkSpec): string {
  const where =
    place.kind === 'subnet' ? [place.cidr.text] : [place.containers.map(({ text }) => text), place.prefixLength];
  return JSON.stringify([name, view, ...where, gateway ?? null, keepFirst, part, blockSize, create]);
}

/** Names where a spec takes addresses from, for people: `172.18.1.50-172.18.1.199 of 172.18.1.0/24`. */
export function sourceText({ place, part }: Pick<NetworkSpec, 'place' | 'part'>): string {
  if (place.kind === 'container') {
    return `a /${place.prefixLength} of ${place.containers.map(({ text }) => text).join(', ')}`;
  }
  const [first, last] = [part.intervals[0], part.intervals.at(-1)];
  if (first === undefined || last === undefined) return place.cidr.text;
  return `${first.first}-${last.last} of ${place.cidr.text}`;
}

/** Names a spec for people. */
export function specText({ name, view, gateway, ...source }: NetworkSpec): string {
  return `network ${name} (${sourceText(source)}${gateway === undefined ? '' : `, gateway ${gateway}`}) in view ${view}`;
}

function containerPlace(input: SpecInput): NetworkPlace {
  const { path = '' } = input;
  const [first, ...others] = input.containers
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => strictCidr(`${path}network-container`, part));
  if (first === undefined) {
    throw new GridError('invalid-spec', 'neither subnet nor network-container is set', {
      hint: 'set "subnet" or "network-container" in the network configuration, or --network-container',
    });
  }
  const containers = [first, ...others] as const;
  const stranger = others.find(({ family }) => family !== first.family);
  if (stranger !== undefined) {
    throw new GridError(
      'invalid-spec',
      `${path}network-container names ${first.text} and ${stranger.text}, of two families`,
      { hint: 'give each family a set of its own in "ranges"' },
    );
  }
  const prefixLength = strictPrefixLength(path, input.prefixLength, first);
  const tooSmall = containers.find((container) => container.prefix >= prefixLength);
  if (tooSmall !== undefined) {
    throw new GridError('invalid-spec', `a /${prefixLength} network does not fit into ${tooSmall.text}`, {
      hint: `choose a prefix-length above ${tooSmall.prefix}, or a larger network-container`,
    });
  }
  return { kind: 'container', containers, prefixLength };
}

/** Addresses of the smallest block. */
const minBlockSize = 8;

/** Tells whether blocks can have so many addresses; 0: there are none. */
export function isBlockSize(size: number): boolean {
  return size === 0 || (size >= minBlockSize && size <= 256 && Number.isInteger(Math.log2(size)));
}

/** Says how many addresses a block of a spec has: without a size of its own the smallest, where hosts share a range in blocks; 0: there are none. */
export function blockSizeOf({ part, blockSize }: Pick<NetworkSpec, 'part' | 'blockSize'>): number {
  return blockSize === 0 && part.intervals.length > 0 ? minBlockSize : blockSize;
}

/** The block size of a configuration is refused where it cannot be; that of the flags is for networks that are large enough. */
function blockSizeIn(place: NetworkPlace, part: NetworkPart, { blockSize, defaultBlockSize = 0 }: SpecInput): number {
  const network = place.kind === 'subnet' ? place.cidr : { ...place.containers[0], prefix: place.prefixLength };
  const ranged = part.intervals.reduce((sum, interval) => sum + sizeOf(interval), 0);
  const largest = (ranged === 0 ? spanSize(network) : ranged) / 4;
  if (blockSize === undefined) return defaultBlockSize <= largest ? defaultBlockSize : 0;
  if (!isBlockSize(blockSize)) {
    throw new GridError('invalid-spec', `block-size ${blockSize} is neither 0 nor a power of two from 8 to 256`, {
      hint: 'choose one that holds twice the containers of a host, such as 64, or 0 for no blocks',
    });
  }
  if (blockSize > largest) {
    const what = place.kind === 'subnet' ? sourceText({ place, part }) : `a /${place.prefixLength} network`;
    throw new GridError('invalid-spec', `block-size ${blockSize} is more than a quarter of ${what}`, {
      hint: `${largest < minBlockSize ? 'choose 0' : `choose at most ${2 ** Math.floor(Math.log2(largest))}`}, or a larger ${ranged === 0 ? 'network' : 'range'}`,
    });
  }
  return blockSize;
}
