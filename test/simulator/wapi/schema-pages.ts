import type { Field } from '../schema/field.ts';
import { OBJECT_TYPES } from '../schema/object-types.ts';
import type { Json, TypeName, Values } from '../store/grid-objects.ts';

/** Answers `?_schema` on the base URL: the grid's versions and object types. */
export function schemaOfGrid(requestedVersion: string, versions: readonly string[]): Values {
  return {
    requested_version: requestedVersion,
    supported_objects: Object.keys(OBJECT_TYPES).sort(),
    supported_versions: [...versions],
  };
}

/** Answers `<type>?_schema`: every field, what it supports (read, write, update, search) and how it is searched. */
export function schemaOfType(version: string, type: TypeName): Values {
  const { fields, operations } = OBJECT_TYPES[type];
  return {
    type,
    version,
    cloud_additional_restrictions: [],
    restrictions: (['create', 'update', 'delete'] as const).filter((operation) => !operations.includes(operation)),
    fields: Object.entries(fields).map(([name, field]) => schemaOfField(name, field)),
  };
}

function schemaOfField(name: string, field: Field): Json {
  const updatable = field.writable && field.update === 'yes';
  const supports = `${field.readable ? 'r' : ''}${field.writable ? 'w' : ''}${updatable ? 'u' : ''}`;
  return {
    name,
    type: [field.kind === 'integer' ? 'int' : field.kind === 'boolean' ? 'bool' : field.kind],
    is_array: field.kind === 'list',
    standard_field: field.base,
    supports: supports + (field.search === '' ? '' : 's'),
    ...(field.search === '' ? {} : { searchable_by: field.search }),
    ...(field.kind === 'enum' ? { enum_values: [...field.values] } : {}),
  };
}
