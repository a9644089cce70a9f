import { protocolError } from '../errors.ts';
import {
  createAttributeDefinition,
  removeAttributeDefinition,
  updateAttributeDefinition,
} from '../rules/attribute-definitions.ts';
import { createFixedAddress, removeFixedAddress, updateFixedAddress } from '../rules/fixed-addresses.ts';
import { createHost, removeHost, updateHost } from '../rules/hosts.ts';
import { createNetworkView, removeNetworkView, updateNetworkView } from '../rules/network-views.ts';
import { createSubnet, removeContainer, removeNetwork, updateSubnet } from '../rules/networks.ts';
import { createRange, removeRange, updateRange } from '../rules/ranges.ts';
import { validateCreate, validateUpdate } from '../schema/validate.ts';
import type { Database } from '../store/database.ts';
import { familyOfType, type GridObject, kindOf, type TypeName, typeOf, type Values } from '../store/grid-objects.ts';
import { resolveAllocations } from './allocation.ts';
import { readField } from './read-field.ts';

/**
 * Creates an object from a request body. Allocation and insert are one step, so no other request can intervene. Throws
 * a WapiError and leaves the store unchanged on any error.
 */
export function createObject(db: Database, type: TypeName, body: Values): GridObject {
  const fields = resolveAllocations(db, type, validateCreate(type, body));
  const kind = kindOf(type);
  const family = familyOfType(type);
  switch (kind) {
    case 'networkview':
      return createNetworkView(db, fields);
    case 'network':
    case 'networkcontainer':
      return createSubnet(db, { kind, family }, fields);
    case 'fixedaddress':
      return createFixedAddress(db, family, fields);
    case 'range':
      return createRange(db, family, fields);
    case 'record:host':
      return createHost(db, fields);
    case 'extensibleattributedef':
      return createAttributeDefinition(db, fields);
    default:
      throw protocolError(`Operation create not allowed for ${type}`);
  }
}

/** Changes the given fields of an object. Its reference may change. */
export function updateObject(db: Database, object: GridObject, body: Values): void {
  const current = (name: string) => readField(db, object, name);
  const type = typeOf(object);
  const fields = resolveAllocations(db, type, validateUpdate(type, body, current));
  switch (object.type) {
    case 'networkview':
      updateNetworkView(db, object, fields);
      break;
    case 'network':
    case 'networkcontainer':
      updateSubnet(db, object, fields);
      break;
    case 'fixedaddress':
      updateFixedAddress(db, object, fields);
      break;
    case 'range':
      updateRange(db, object, fields);
      break;
    case 'record:host':
      updateHost(db, object, fields);
      break;
    case 'extensibleattributedef':
      updateAttributeDefinition(db, object, fields);
      break;
    default:
      throw protocolError(`Operation update not allowed for ${type}`);
  }
}

/** Deletes an object with its contents. `withSubnets` decides about a container's children. */
export function removeObject(db: Database, object: GridObject, withSubnets = false): void {
  switch (object.type) {
    case 'networkview':
      removeNetworkView(db, object);
      break;
    case 'network':
      removeNetwork(db, object);
      break;
    case 'networkcontainer':
      removeContainer(db, object, withSubnets);
      break;
    case 'fixedaddress':
      removeFixedAddress(db, object);
      break;
    case 'range':
      removeRange(db, object);
      break;
    case 'record:host':
      removeHost(db, object);
      break;
    case 'extensibleattributedef':
      removeAttributeDefinition(db, object);
      break;
    case 'member:license':
      db.delete(object);
      break;
    default:
      throw protocolError(`Operation delete not allowed for ${typeOf(object)}`);
  }
}
