import { badAttribute, dataError, unknownAttribute } from '../errors.ts';
import type { Database } from '../store/database.ts';
import type { ExtAttrs, GridObject, Json, Values } from '../store/grid-objects.ts';

/**
 * Attributes defined by a cloud licence; a cloud API user must set the first three on every create (WAPI: cloud
 * licence).
 */
export const CLOUD_ATTRIBUTES = [
  'Tenant ID',
  'CMP Type',
  'Cloud API Owned',
  'VM ID',
  'VM Name',
  'Network Name',
  'Network ID',
  'Subnet ID',
  'Subnet Name',
  'Port ID',
  'IP Type',
  'Is External',
  'Is Shared',
] as const;

/**
 * Maximum characters of a text, an e-mail address or a URL (WAPI documentation of extensibleattributedef, for default
 * values).
 */
const maxTextLength = 256;

const BOOLEAN_ATTRIBUTES: readonly string[] = ['Cloud API Owned', 'Is External', 'Is Shared'];

/** Makes the fields of a definition: text, except for the cloud booleans, which are True/False enumerations. */
export function attributeDefinition(name: string): Values {
  if (!BOOLEAN_ATTRIBUTES.includes(name)) return { name, type: 'STRING' };
  return { name, type: 'ENUM', list_values: [{ value: 'True' }, { value: 'False' }] };
}

/** Returns the attributes of a new object. Throws if one is undefined or its value does not fit the definition. */
export function newAttributes(db: Database, fields: Values): ExtAttrs {
  return fields.extattrs === undefined ? {} : checked(db, fields.extattrs);
}

/**
 * Returns the attributes after an update: `extattrs` replaces all, `extattrs+` adds or changes, `extattrs-` removes.
 */
export function updatedAttributes(db: Database, current: ExtAttrs, fields: Values): ExtAttrs {
  const result = fields.extattrs === undefined ? { ...current } : checked(db, fields.extattrs);
  Object.assign(result, checked(db, fields['extattrs+'] ?? {}));
  for (const name of Object.keys(fields['extattrs-'] ?? {})) {
    if (!db.attributeDefinition(name)) throw unknownAttribute(name);
    delete result[name];
  }
  return result;
}

/** Adds inherited attributes. WAPI: objects in a network inherit its attributes with flag I. */
export function withInherited(db: Database, own: ExtAttrs, parent: GridObject | undefined): ExtAttrs {
  const result = { ...own };
  for (const [name, attribute] of Object.entries(parent?.extattrs ?? {})) {
    if (String(db.attributeDefinition(name)?.values.flags ?? '').includes('I')) result[name] ??= attribute;
  }
  return result;
}

/** Refuses a create without the three attributes that a cloud API user must set. Assumed wording. */
export function requireCloudAttributes(fields: Values): void {
  const given = Object.keys(fields.extattrs ?? {});
  const missing = CLOUD_ATTRIBUTES.slice(0, 3).filter((name) => !given.includes(name));
  if (missing.length > 0)
    throw dataError(`Cloud API requests must set the extensible attributes: ${missing.join(', ')}`);
}

function checked(db: Database, attributes: Json): ExtAttrs {
  const result: ExtAttrs = {};
  for (const [name, attribute] of Object.entries(attributes ?? {})) {
    const definition = db.attributeDefinition(name);
    if (!definition) throw unknownAttribute(name);
    const value = valueIn(attribute);
    if (value === undefined || !fits(definition.values, value)) throw badAttribute(name);
    result[name] = { value };
  }
  return result;
}

function valueIn(attribute: unknown): Json | undefined {
  if (typeof attribute !== 'object' || attribute === null || !('value' in attribute)) return undefined;
  return attribute.value as Json;
}

function fits(definition: Values, value: Json): boolean {
  if (Array.isArray(value)) {
    // Flag V makes an attribute multi-valued; such a value is a list.
    const several = String(definition.flags ?? '').includes('V');
    return several && value.every((item) => !Array.isArray(item) && fits(definition, item));
  }
  switch (definition.type) {
    case 'INTEGER':
      return Number.isInteger(value);
    case 'ENUM':
      return enumValues(definition).includes(value);
    default:
      return typeof value === 'string' && value.length <= maxTextLength;
  }
}

function enumValues(definition: Values): unknown[] {
  const values = definition.list_values;
  return Array.isArray(values) ? values.map(valueIn) : [];
}
