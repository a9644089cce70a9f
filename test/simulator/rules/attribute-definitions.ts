import { duplicateObject } from '../errors.ts';
import { OBJECT_TYPES } from '../schema/object-types.ts';
import type { Database } from '../store/database.ts';
import { kindOf, type PlainObject, type TypeName, type Values } from '../store/grid-objects.ts';
import { naturalKey } from '../store/reference.ts';
import { textOf } from './field-access.ts';

export function createAttributeDefinition(db: Database, fields: Values): PlainObject {
  const name = textOf(fields, 'name') ?? '';
  if (db.attributeDefinition(name)) throw duplicateObject(name, 'extensible_attributes_def');
  const definition: PlainObject = {
    type: 'extensibleattributedef',
    key: naturalKey('extensibleattributedef', `.${name}`),
    values: { ...fields },
    extattrs: {},
  };
  db.insert(definition);
  return definition;
}

/** Changes a definition. After a rename the values of all objects follow. */
export function updateAttributeDefinition(db: Database, definition: PlainObject, fields: Values): void {
  const before = String(definition.values.name);
  const name = textOf(fields, 'name') ?? before;
  const other = db.attributeDefinition(name);
  if (other && other !== definition) throw duplicateObject(name, 'extensible_attributes_def');
  db.update(definition, fields, () => {
    definition.key = naturalKey('extensibleattributedef', `.${name}`);
  });
  if (name !== before) moveValues(db, before, name);
}

/** Removes a definition and its values from every object. */
export function removeAttributeDefinition(db: Database, definition: PlainObject): void {
  db.delete(definition);
  moveValues(db, String(definition.values.name));
}

function moveValues(db: Database, from: string, to?: string): void {
  for (const kind of new Set((Object.keys(OBJECT_TYPES) as TypeName[]).map(kindOf))) {
    for (const object of db.all(kind)) {
      const attribute = object.extattrs[from];
      if (!attribute) continue;
      delete object.extattrs[from];
      if (to !== undefined) object.extattrs[to] = attribute;
    }
  }
}
