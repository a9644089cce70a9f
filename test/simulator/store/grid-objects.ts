import type { AddressPool } from './address-pool.ts';
import type { Cidr } from './ipv4.ts';

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type Values = Record<string, Json>;
export type ExtAttrs = Record<string, { value: Json }>;

/**
 * What every stored object has. `key` is the natural key that its reference encodes (WAPI: references decode to natural
 * keys); `values` holds the plain fields, everything that rules or indexes need has a property of its own.
 */
interface Stored {
  key: string;
  values: Values;
  extattrs: ExtAttrs;
}

export interface NetworkViewObject extends Stored {
  readonly type: 'networkview';
  /** Number of the view inside other objects' natural keys; survives a rename. */
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
  /** The fixed address of each real MAC: one may appear only once in a network. */
  readonly byMac: Map<string, FixedAddressObject>;
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
  address: number;
  /** Lower case with colons; the zero MAC for a reservation, absent when another identifier is used. */
  mac?: string;
  matchClient: string;
}

export interface RangeObject extends Stored {
  readonly type: 'range';
  readonly view: NetworkViewObject;
  network: NetworkObject;
  first: number;
  last: number;
}

export interface HostAddress {
  readonly address: number;
  readonly mac?: string;
  readonly dhcp: boolean;
}

export interface HostObject extends Stored {
  readonly type: 'record:host';
  readonly view: NetworkViewObject;
  name: string;
  addresses: HostAddress[];
}

type PlainType = 'extensibleattributedef' | 'member:license' | 'grid' | 'userprofile';

/** Objects with nothing but fields: definitions, licences, the grid itself, the user's profile. */
export type PlainObject = { [T in PlainType]: Stored & { readonly type: T } }[PlainType];

/** One address of a network; made on reading, never stored (WAPI: ipv4address is virtual). */
export interface AddressObject extends Stored {
  readonly type: 'ipv4address';
  readonly network: NetworkObject;
  readonly address: number;
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

export type TypeName = GridObject['type'];

export type ObjectOf<T extends TypeName> = Extract<GridObject, { type: T }>;

export const ZERO_MAC = '00:00:00:00:00:00';
