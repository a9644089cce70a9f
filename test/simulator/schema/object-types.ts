import type { TypeName } from '../store/grid-objects.ts';
import { addressTypes } from './address-types.ts';
import type { Field } from './field.ts';
import { gridTypes } from './grid-types.ts';
import { networkTypes } from './network-types.ts';

export type Operation = 'create' | 'read' | 'update' | 'delete';
export type FunctionName = 'next_available_ip' | 'next_available_network';

/** The fields of one object type, and its operations. */
export interface ObjectType {
  readonly fields: Readonly<Record<string, Field>>;
  readonly operations: readonly Operation[];
  readonly functions: readonly FunctionName[];
}

const everything: readonly Operation[] = ['create', 'read', 'update', 'delete'];
const readOnlyType: readonly Operation[] = ['read'];

/** The object types of the simulated grid; DNS zones and batches are missing. */
export const OBJECT_TYPES: Readonly<Record<TypeName, ObjectType>> = {
  networkview: { fields: networkTypes.networkview, operations: everything, functions: [] },
  network: {
    fields: networkTypes.network,
    operations: everything,
    functions: ['next_available_ip', 'next_available_network'],
  },
  ipv6network: {
    fields: networkTypes.ipv6network,
    operations: everything,
    functions: ['next_available_ip', 'next_available_network'],
  },
  networkcontainer: {
    fields: networkTypes.container,
    operations: everything,
    functions: ['next_available_network'],
  },
  ipv6networkcontainer: {
    fields: networkTypes.container,
    operations: everything,
    functions: ['next_available_network'],
  },
  range: { fields: networkTypes.range, operations: everything, functions: ['next_available_ip'] },
  ipv6range: { fields: networkTypes.ipv6range, operations: everything, functions: ['next_available_ip'] },
  fixedaddress: { fields: addressTypes.fixedaddress, operations: everything, functions: [] },
  ipv6fixedaddress: { fields: addressTypes.ipv6fixedaddress, operations: everything, functions: [] },
  'record:host': { fields: addressTypes.host, operations: everything, functions: [] },
  ipv4address: { fields: addressTypes.ipv4address, operations: readOnlyType, functions: [] },
  ipv6address: { fields: addressTypes.ipv6address, operations: readOnlyType, functions: [] },
  extensibleattributedef: { fields: gridTypes.extensibleattributedef, operations: everything, functions: [] },
  'member:license': { fields: gridTypes.license, operations: ['read', 'delete'], functions: [] },
  grid: { fields: gridTypes.grid, operations: readOnlyType, functions: [] },
  userprofile: { fields: gridTypes.userprofile, operations: readOnlyType, functions: [] },
};

export function isTypeName(name: string): name is TypeName {
  return Object.hasOwn(OBJECT_TYPES, name);
}

/** Returns the fields of an answer without `_return_fields`. */
export function baseFields(type: TypeName): string[] {
  return Object.entries(OBJECT_TYPES[type].fields)
    .filter(([, field]) => field.base)
    .map(([name]) => name);
}

export function readableFields(type: TypeName): string[] {
  return Object.entries(OBJECT_TYPES[type].fields)
    .filter(([, field]) => field.readable)
    .map(([name]) => name);
}
