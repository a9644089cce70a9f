import { notFoundError, protocolError } from './errors.ts';
import { isTypeName } from './schema/object-types.ts';
import { formatAddress } from './store/address.ts';
import type { Database, Quirks } from './store/database.ts';
import {
  type ExtAttrs,
  type FixedAddressObject,
  familyOfObject,
  type GridObject,
  kindOf,
  type NetworkObject,
  typeOf,
  type Values,
} from './store/grid-objects.ts';
import { decodeReference, referenceOf } from './store/reference.ts';
import { createObject, removeObject, updateObject } from './wapi/operations.ts';
import { presentAll } from './wapi/read-field.ts';

export interface WapiObject {
  readonly _ref: string;
  readonly [field: string]: unknown;
}

export interface FixedAddressSnapshot {
  readonly _ref: string;
  readonly ipv4addr: string;
  readonly network: string;
  readonly network_view: string;
  readonly mac?: string;
  readonly match_client: string;
  readonly name?: string;
  readonly comment?: string;
  readonly extattrs: ExtAttrs;
}

export interface NetworkSnapshot {
  readonly _ref: string;
  readonly network: string;
  readonly network_view: string;
  readonly comment?: string;
  readonly extattrs: ExtAttrs;
}

/** The administrator's access to the grid's objects, without HTTP, rights or faults. */
export class GridContents {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  get quirks(): Quirks {
    return this.#db.quirks;
  }

  objects(type: string): WapiObject[] {
    if (!isTypeName(type)) throw protocolError(`Unknown object type (${type})`);
    const all = [...this.#db.all(kindOf(type))].filter((object) => typeOf(object) === type);
    return all.map((object) => structuredClone(presentAll(this.#db, object)));
  }

  /** Returns those of IPv4. */
  fixedAddresses(view?: string): FixedAddressSnapshot[] {
    const all = [...this.#db.all('fixedaddress')].filter((fixed) => isMeant(fixed, view));
    return all.map((fixed) => ({
      _ref: referenceOf(fixed),
      ipv4addr: formatAddress(fixed.address),
      network: fixed.network.cidr.text,
      network_view: fixed.view.name,
      match_client: fixed.matchClient,
      extattrs: structuredClone(fixed.extattrs),
      ...(fixed.client === undefined ? {} : { mac: fixed.client }),
      ...texts(fixed, 'name'),
      ...texts(fixed, 'comment'),
    }));
  }

  /** Returns those of IPv4. */
  networks(view?: string): NetworkSnapshot[] {
    const all = [...this.#db.all('network')].filter((network) => isMeant(network, view));
    return all.map((network) => ({
      _ref: referenceOf(network),
      network: network.cidr.text,
      network_view: network.view.name,
      extattrs: structuredClone(network.extattrs),
      ...texts(network, 'comment'),
    }));
  }

  add(type: string, fields: Values): string {
    if (!isTypeName(type)) throw protocolError(`Unknown object type (${type})`);
    return referenceOf(createObject(this.#db, type, structuredClone(fields)));
  }

  update(reference: string, fields: Values): string {
    const object = this.#find(reference);
    updateObject(this.#db, object, structuredClone(fields));
    return referenceOf(object);
  }

  remove(reference: string): void {
    removeObject(this.#db, this.#find(reference));
  }

  #find(reference: string): GridObject {
    const type = reference.split('/', 1)[0] ?? '';
    if (!isTypeName(type)) throw protocolError(`Invalid reference: ${reference}`);
    const object = this.#db.get(decodeReference(type, reference));
    if (!object || typeOf(object) !== type) throw notFoundError(`Reference ${reference} not found`);
    return object;
  }
}

function isMeant(object: FixedAddressObject | NetworkObject, view: string | undefined): boolean {
  return familyOfObject(object) === 4 && (view === undefined || object.view.name === view);
}

function texts<Name extends 'name' | 'comment'>({ values }: GridObject, name: Name): { [Key in Name]?: string } {
  const value = values[name];
  const result: { [Key in Name]?: string } = {};
  if (typeof value === 'string' && value !== '') result[name] = value;
  return result;
}
