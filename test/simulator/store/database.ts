import { type Cidr, type Family, familyOf, formatAddress, networkAround } from './address.ts';
import type {
  FixedAddressObject,
  GridObject,
  HostObject,
  Kind,
  NetworkObject,
  NetworkViewObject,
  ObjectOf,
  PlainObject,
  Values,
} from './grid-objects.ts';
import { naturalKey } from './reference.ts';

function isOfKind<K extends Kind>(object: GridObject, kind: K): object is ObjectOf<K> {
  return object.type === kind;
}

/** Behaviour that no source describes. The defaults are what the driver would like; DUIDs are unique like MACs. */
export interface Quirks {
  rangesMayOverlap: boolean;
  /** Next-available on a network also returns addresses inside ranges. */
  networksGiveFromRanges: boolean;
  /** Every address inside a range reads USED. */
  rangesReadUsed: boolean;
  /** A DUID may occur twice in a network. */
  duidsMayRepeat: boolean;
}

/**
 * All objects of the grid, with indexes that keep it fast at tens of thousands of addresses: by natural key (view and
 * address for a fixed address), by kind, by comment, hosts by address. Knows no rules.
 */
export class Database {
  readonly quirks: Quirks = {
    rangesMayOverlap: false,
    networksGiveFromRanges: false,
    rangesReadUsed: false,
    duidsMayRepeat: false,
  };
  readonly #byKey = new Map<string, GridObject>();
  readonly #byKind = new Map<Kind, Set<GridObject>>();
  readonly #byComment = new Map<string, Set<GridObject>>();
  readonly #hostsByAddress = new Map<string, Set<HostObject>>();
  /** The number of networks by prefix length: the search for an address's network tries only those. */
  readonly #prefixes: Readonly<Record<Family, Map<number, number>>> = { 4: new Map(), 6: new Map() };
  #nextViewId = 0;

  newViewId(): number {
    return this.#nextViewId++;
  }

  get(key: string): GridObject | undefined {
    return this.#byKey.get(key);
  }

  /** Yields the objects of a kind, of both families, in the order of creation. */
  *all<K extends Kind>(kind: K): Generator<ObjectOf<K>> {
    for (const object of this.#byKind.get(kind) ?? []) if (isOfKind(object, kind)) yield object;
  }

  withComment(kind: Kind, comment: string): Iterable<GridObject> {
    return this.#byComment.get(`${kind}\n${comment}`) ?? [];
  }

  insert(object: GridObject): void {
    this.#byKey.set(object.key, object);
    const table = this.#byKind.get(object.type) ?? new Set();
    this.#byKind.set(object.type, table.add(object));
    this.#index(object);
    if (object.type === 'network') this.#countPrefix(object.cidr, 1);
  }

  delete(object: GridObject): void {
    this.#byKey.delete(object.key);
    this.#byKind.get(object.type)?.delete(object);
    this.#unindex(object);
    if (object.type === 'network') this.#countPrefix(object.cidr, -1);
  }

  /** Changes plain fields, lets `change` alter the rest, and updates the indexes. */
  update(object: GridObject, values: Values, change?: () => void): void {
    this.#unindex(object);
    this.#byKey.delete(object.key);
    Object.assign(object.values, values);
    change?.();
    this.#byKey.set(object.key, object);
    this.#index(object);
  }

  viewNamed(name: string): NetworkViewObject | undefined {
    for (const view of this.all('networkview')) if (view.name === name) return view;
    return undefined;
  }

  networkWith(view: NetworkViewObject, cidr: string): NetworkObject | undefined {
    const object = this.get(naturalKey('network', `${cidr}/${view.id}`));
    return object?.type === 'network' ? object : undefined;
  }

  /** Finds the network of an address. Networks never nest: one that gets a child becomes a container. */
  networkAround(view: NetworkViewObject, address: bigint): NetworkObject | undefined {
    for (const prefix of this.#prefixes[familyOf(address)].keys()) {
      const network = this.networkWith(view, networkAround(address, prefix).text);
      if (network) return network;
    }
    return undefined;
  }

  fixedAddressAt(view: NetworkViewObject, address: bigint): FixedAddressObject | undefined {
    const object = this.get(naturalKey('fixedaddress', `${formatAddress(address)}.${view.id}..`));
    return object?.type === 'fixedaddress' ? object : undefined;
  }

  hostsAt(view: NetworkViewObject, address: bigint): Iterable<HostObject> {
    return this.#hostsByAddress.get(`${view.id}/${address}`) ?? [];
  }

  /** Finds the definition of an extensible attribute. */
  attributeDefinition(name: string): PlainObject | undefined {
    const object = this.get(naturalKey('extensibleattributedef', `.${name}`));
    return object?.type === 'extensibleattributedef' ? object : undefined;
  }

  #index(object: GridObject): void {
    const comment = object.values.comment;
    if (typeof comment === 'string') addTo(this.#byComment, `${object.type}\n${comment}`, object);
    if (object.type !== 'record:host') return;
    for (const { address } of object.addresses) addTo(this.#hostsByAddress, `${object.view.id}/${address}`, object);
  }

  #unindex(object: GridObject): void {
    dropFrom(this.#byComment, `${object.type}\n${object.values.comment}`, object);
    if (object.type !== 'record:host') return;
    for (const { address } of object.addresses) dropFrom(this.#hostsByAddress, `${object.view.id}/${address}`, object);
  }

  #countPrefix({ family, prefix }: Cidr, change: number): void {
    const prefixes = this.#prefixes[family];
    const count = (prefixes.get(prefix) ?? 0) + change;
    if (count > 0) prefixes.set(prefix, count);
    else prefixes.delete(prefix);
  }
}

function addTo<T>(index: Map<string, Set<T>>, key: string, object: T): void {
  index.set(key, (index.get(key) ?? new Set()).add(object));
}

function dropFrom<T>(index: Map<string, Set<T>>, key: string, object: T): void {
  const set = index.get(key);
  set?.delete(object);
  if (set?.size === 0) index.delete(key);
}
