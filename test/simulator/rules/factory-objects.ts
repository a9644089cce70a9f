import type { Database } from '../store/database.ts';
import type { PlainObject, Values } from '../store/grid-objects.ts';
import { naturalKey } from '../store/reference.ts';
import { createAttributeDefinition } from './attribute-definitions.ts';
import { attributeDefinition, CLOUD_ATTRIBUTES } from './attributes.ts';
import { createNetworkView } from './network-views.ts';

/** Creates a new grid's objects: the default view, the grid, its licences and the logged-in user. */
export function installFactoryObjects(
  db: Database,
  options: { username: string; attributes: readonly string[]; cloudLicence: boolean },
): void {
  createNetworkView(db, { name: 'default' });
  addPlain(db, 'grid', '0', { name: 'Infoblox' });
  addPlain(db, 'userprofile', options.username, { name: options.username, admin_group: 'admin-group' });
  const licences = ['VNIOS', 'DNS', 'DHCP', ...(options.cloudLicence ? ['CLOUD'] : [])];
  for (const type of licences) addPlain(db, 'member:license', `0,${type.toLowerCase()},0`, licence(type));
  const attributes = [...(options.cloudLicence ? CLOUD_ATTRIBUTES : []), ...options.attributes];
  for (const name of new Set(attributes)) createAttributeDefinition(db, attributeDefinition(name));
}

function licence(type: string): Values {
  return {
    type,
    kind: 'Static',
    key: `SIMULATED-${type}`,
    hwid: '564d000000000001',
    limit_context: 'NONE',
    expiration_status: 'PERMANENT',
    expiry_date: 0,
  };
}

function addPlain(db: Database, type: PlainObject['type'], key: string, values: Values): void {
  db.insert({ type, key: naturalKey(type, key), values, extattrs: {} });
}
