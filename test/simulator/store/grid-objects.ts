import type { Cidr, Family } from './address.ts';
import type { AddressPool } from './address-pool.ts';

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type Values = Record<string, Json>;
export type ExtAttrs = Record<string, { value: Json }>;

/**
 * Common part of stored objects. `key` is the natural key in its reference (WAPI: references decode to natural keys).
 * `values` has the plain fields; what rules or indexes need is a separate property.
 */
interface Stored {
  key: string;
  values: Values;
  extattrs: ExtAttrs;
}

export interface NetworkViewObject extends Stored {
  readonly type: 'networkview';
  /** The view's number in natural keys of other objects; survives a rename. */
  readonly id: number;
  name: string;
}

export interface NetworkObject extends Stored {
  readonly type: 'network';
  readonly view: NetworkViewObject;
  readonly cidr: Cidr;
  readonly pool: AddressPool;
  readonly fixed: Set<FixedAddressObject>;
  readonly ranges: Set<RangeObject>;
  /** Fixed addresses by real MAC or DUID. Each may occur once in a network, unless the grid allows repeated DUIDs. */
  readonly byClient: Map<string, FixedAddressObject>;
}

export interface ContainerObject extends Stored {
  readonly type: 'networkcontainer';
  readonly view: NetworkViewObject;
  readonly cidr: Cidr;
}

export interface FixedAddressObject extends Stored {
  readonly type: 'fixedaddress';
  readonly view: NetworkViewObject;
  network: NetworkObject;
  address: bigint;
  /** MAC (IPv6: DUID), lower case with colons; the zero MAC for a reservation, absent with another identifier. */
  client?: string;
  matchClient: string;
}

export interface RangeObject extends Stored {
  readonly type: 'range';
  readonly view: NetworkViewObject;
  network: NetworkObject;
  first: bigint;
  last: bigint;
}

export interface HostAddress {
  readonly address: bigint;
  /** As of a fixed address. */
  readonly client?: string;
  readonly dhcp: boolean;
}

export interface HostObject extends Stored {
  readonly type: 'record:host';
  readonly view: NetworkViewObject;
  name: string;
  addresses: HostAddress[];
}

type PlainType = 'extensibleattributedef' | 'member:license' | 'grid' | 'userprofile';

/** Objects that have only fields: definitions, licences, the grid, the user's profile. */
export type PlainObject = { [T in PlainType]: Stored & { readonly type: T } }[PlainType];

/** One address of a network, made on reading (WAPI: ipv4address is virtual). */
export interface AddressObject extends Stored {
  readonly type: 'ipv4address';
  readonly network: NetworkObject;
  readonly address: bigint;
}

export type GridObject =
  | NetworkViewObject
  | NetworkObject
  | ContainerObject
  | FixedAddressObject
  | RangeObject
  | HostObject
  | PlainObject
  | AddressObject;

/** The kind of an object, named as WAPI names the IPv4 type or the type without a family. */
export type Kind = GridObject['type'];

export type ObjectOf<K extends Kind> = Extract<GridObject, { type: K }>;

/** WAPI's names of the IPv6 types. */
const IPV6_NAMES = {
  network: 'ipv6network',
  networkcontainer: 'ipv6networkcontainer',
  range: 'ipv6range',
  fixedaddress: 'ipv6fixedaddress',
  ipv4address: 'ipv6address',
} as const satisfies Partial<Record<Kind, string>>;

type TwoFamilies = keyof typeof IPV6_NAMES;

/** The name of an object type in WAPI. */
export type TypeName = Kind | (typeof IPV6_NAMES)[TwoFamilies];

export function kindOf(type: TypeName): Kind {
  const [kind] = Object.entries(IPV6_NAMES).find(([, name]) => name === type) ?? [type];
  return kind as Kind;
}

export function familyOfType(type: TypeName): Family {
  return type === kindOf(type) ? 4 : 6;
}

export function typeOf(object: GridObject): TypeName {
  return familyOfObject(object) === 4 ? object.type : IPV6_NAMES[object.type as TwoFamilies];
}

export function familyOfObject(object: GridObject): Family {
  if ('cidr' in object) return object.cidr.family;
  return 'network' in object ? object.network.cidr.family : 4;
}

export const ZERO_MAC = '00:00:00:00:00:00';
