import { protocolError, unknownField } from '../errors.ts';
import type { Json, TypeName, Values } from '../store/grid-objects.ts';
import type { Field } from './field.ts';
import { OBJECT_TYPES } from './object-types.ts';

/**
 * Checks the body of a create against the schema: unknown, read-only and missing fields, JSON types, enums, comments.
 * The rules check what depends on other objects.
 * @returns the fields without the write-only switches
 */
export function validateCreate(type: TypeName, body: Values): Values {
  const fields = checked(type, body);
  for (const [name, field] of Object.entries(OBJECT_TYPES[type].fields)) {
    if (field.required && fields[name] === undefined) throw protocolError(`field for create missing: ${name}`);
  }
  return fields;
}

/**
 * As validateCreate, for an update: no field is required, `_ref` is allowed. `current` returns the stored value of a
 * field that may be repeated, but not changed.
 */
export function validateUpdate(type: TypeName, body: Values, current: (field: string) => Json | undefined): Values {
  const { _ref, ...rest } = body;
  const fields = checked(type, rest);
  for (const [name, value] of Object.entries(fields)) {
    const rule = OBJECT_TYPES[type].fields[name]?.update;
    if (rule === 'no' || (rule === 'same' && value !== current(name))) {
      throw protocolError(`Field is not allowed for update: ${name}`);
    }
    if (rule === 'same') delete fields[name];
  }
  return fields;
}

function checked(type: TypeName, body: Values): Values {
  const fields: Values = {};
  for (const [name, value] of Object.entries(body)) {
    // Partial edits of the attributes keep their sign: `extattrs+` adds, `extattrs-` removes.
    const field = OBJECT_TYPES[type].fields[/^extattrs[+-]$/.test(name) ? 'extattrs' : name];
    if (!field || (!field.readable && !field.writable)) throw unknownField(name);
    if (!field.writable) throw protocolError(`Field is not writable: ${name}`);
    checkValue(name, field, value);
    if (field.readable) fields[name] = value;
  }
  return fields;
}

function checkValue(name: string, field: Field, value: Json): void {
  const shown = JSON.stringify(value);
  const isStruct = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (field.allocates && isStruct) return;
  switch (field.kind) {
    case 'string':
      if (typeof value !== 'string') throw wrongType(name, shown, 'string');
      if (field.maxLength !== undefined) checkComment(name, value, field.maxLength);
      return;
    case 'enum':
      if (typeof value !== 'string') throw wrongType(name, shown, 'string');
      if (field.values.includes(value)) return;
      throw protocolError(`Invalid value for ${name} (${shown}) valid values are: ${field.values.join(', ')}`);
    case 'boolean':
      if (typeof value !== 'boolean') throw wrongType(name, shown, 'boolean');
      return;
    case 'integer':
      if (!Number.isInteger(value)) throw wrongType(name, shown, 'integer');
      return;
    case 'list':
      if (!Array.isArray(value)) throw protocolError(`List value expected for field: ${name}`);
      return;
    default:
      // WAPI: null is accepted where it unsets a struct, such as a range's member.
      if (!isStruct && !(field.kind === 'struct' && value === null))
        throw protocolError(`Structure expected in ${name}`);
  }
}

function wrongType(name: string, shown: string, type: string): Error {
  return protocolError(`Invalid value for ${name}: ${shown}: Must be ${type} type`);
}

function checkComment(name: string, value: string, maxLength: number): void {
  const shown = JSON.stringify(value);
  if (value !== value.trim()) {
    throw protocolError(`Invalid value for ${name}: ${shown}: leading or trailing whitespace is not allowed.`);
  }
  // Assumed wording: the limit is known, its message is not.
  if ([...value].length > maxLength) {
    throw protocolError(`Invalid value for ${name}: ${shown}: Maximum length is ${maxLength} characters.`);
  }
}
