/**
 * One source of addresses in a network configuration, checked and normalised. sets.ts has those of a whole
 * configuration.
 */
import { type Cidr, sizeOf, spanSize } from '../address.ts';
import { GridError } from '../errors.ts';
import type { Creation } from './creation.ts';
import { resolveGateway, strictCidr, strictGateway, strictPrefixLength } from './notation.ts';
import { type NetworkPart, type PartInput, partOf } from './part.ts';

/** The place of a network: fixed, or the next free one of a size in network containers. */
type NetworkPlace =
  | { readonly kind: 'subnet'; readonly cidr: Cidr }
  | {
      readonly kind: 'container';
      /** In the order of use. */
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
  /** Subnets of the configuration's other sources: networks with the same name. */
  readonly others: readonly Cidr[];
  /** Canonical; `0.0.0.x` and `::x` are resolved once the network is known. */
  readonly gateway?: string;
  /** The main plugin takes the first host address for itself; no key of `ipam` says so. */
  readonly keepFirst: boolean;
  /** Milliseconds that a reservation is kept after the release. */
  readonly cooldownMs: number;
  /** Size of this host's blocks; 0: no blocks. */
  readonly blockSize: number;
  readonly create: Creation;
}

/** A spec with a place of one kind. */
export type SpecOf<Kind extends NetworkPlace['kind']> = NetworkSpec & {
  readonly place: Extract<NetworkPlace, { readonly kind: Kind }>;
};

/** The unchecked values: from the network configuration, with the daemon's flags as defaults. */
export interface SpecInput extends PartInput {
  /** Prefix of its keys in errors, such as `ranges[0][1].`; default: none. */
  readonly path?: string;
  readonly name: string;
  readonly view: string;
  readonly subnet?: string | undefined;
  /** Comma-separated, in the order of use. */
  readonly containers: string;
  /** In bits; undefined: not configured for this family. */
  readonly prefixLength: number | undefined;
  readonly gateway?: string | undefined;
  readonly keepFirst: boolean;
  /** Milliseconds, from 0 to `maxCooldownMs`; 0 if absent. */
  readonly cooldownMs?: number;
  readonly blockSize?: number | undefined;
  /** Used if the configuration names none and the network is large enough; 0 if absent. */
  readonly defaultBlockSize?: number;
  /** `all` if absent. */
  readonly create?: Creation;
}

/** Milliseconds. Longer than switches and connection tables remember an address. */
export const maxCooldownMs = 3_600_000;
/** Maximum characters of a network view's name: it must fit into a search URL, however it is encoded. */
export const maxViewLength = 256;
/** Maximum characters of a network's name, in configurations for an ADD. */
export const maxNameLength = 1_000;

/**
 * Checks a network configuration before the grid is asked.
 * @throws GridError `invalid-spec` with the key, the reason and the fix
 */
export function networkSpec(input: SpecInput): NetworkSpec {
  const { path = '', name, view, keepFirst, cooldownMs = 0, create = 'all' } = input;
  refuseLong(input);
  const place: NetworkPlace =
    input.subnet === undefined
      ? containerPlace(input)
      : { kind: 'subnet', cidr: strictCidr(`${path}subnet`, input.subnet) };
  const subnet = place.kind === 'subnet' ? place.cidr : undefined;
  const gateway = input.gateway === undefined ? undefined : strictGateway(`${path}gateway`, input.gateway);
  const part = partOf(
    input,
    subnet,
    gateway === undefined || subnet === undefined ? [] : [resolveGateway(gateway, subnet)],
  );
  const blockSize = blockSizeIn(place, part, input);
  const common = { name, view, place, part, others: [], keepFirst, cooldownMs, blockSize, create };
  return gateway === undefined ? common : { ...common, gateway };
}

/** Refuses over-long values, far above useful ones: they would flood requests, messages and logs. */
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

/** Returns a spec's key: two specs have the same key exactly if they request the same addresses. */
export function specKey({ name, view, place, part, gateway, keepFirst, blockSize, create }: NetworkSpec): string {
  const where =
    place.kind === 'subnet' ? [place.cidr.text] : [place.containers.map(({ text }) => text), place.prefixLength];
  return JSON.stringify([name, view, ...where, gateway ?? null, keepFirst, part, blockSize, create]);
}

/** Formats the source of a spec's addresses for people: `172.18.1.50-172.18.1.199 of 172.18.1.0/24`. */
export function sourceText({ place, part }: Pick<NetworkSpec, 'place' | 'part'>): string {
  if (place.kind === 'container') {
    return `a /${place.prefixLength} of ${place.containers.map(({ text }) => text).join(', ')}`;
  }
  const [first, last] = [part.intervals[0], part.intervals.at(-1)];
  if (first === undefined || last === undefined) return place.cidr.text;
  return `${first.first}-${last.last} of ${place.cidr.text}`;
}

/** Formats a spec for people. */
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

/** Minimum size of a block. */
const minBlockSize = 8;

/** Tells whether a block size is valid; 0: no blocks. */
export function isBlockSize(size: number): boolean {
  return size === 0 || (size >= minBlockSize && size <= 256 && Number.isInteger(Math.log2(size)));
}

/** Returns the block size of a spec: its own, or the smallest if hosts share a range in blocks; 0: no blocks. */
export function blockSizeOf({ part, blockSize }: Pick<NetworkSpec, 'part' | 'blockSize'>): number {
  return blockSize === 0 && part.intervals.length > 0 ? minBlockSize : blockSize;
}

/**
 * Chooses the block size. An impossible one of the configuration is refused; the flags' one is for networks that are
 * large enough.
 */
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
