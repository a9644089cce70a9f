import { comment, type Field, field, list, readOnly } from './field.ts';

export const ATTRIBUTE_TYPES = ['DATE', 'EMAIL', 'ENUM', 'INTEGER', 'STRING', 'URL'] as const;

/** WAPI: an update of a definition may repeat its type, but not change it. */
const extensibleattributedef = {
  name: field({ base: true, required: true, search: '=:~' }),
  type: field({ kind: 'enum', values: ATTRIBUTE_TYPES, base: true, required: true, search: '=', update: 'same' }),
  comment,
  default_value: field({ base: true }),
  flags: field(),
  list_values: list,
  min: field({ kind: 'integer' }),
  max: field({ kind: 'integer' }),
  namespace: readOnly('string', { search: '=' }),
  allowed_object_types: list,
} satisfies Record<string, Field>;

const license = {
  type: readOnly('string', { base: true, search: '=' }),
  kind: readOnly('string', { search: '=' }),
  key: readOnly('string', { search: '=' }),
  hwid: readOnly('string', { search: '=' }),
  limit: readOnly('string', { search: '=' }),
  limit_context: readOnly('string'),
  expiration_status: readOnly('string'),
  expiry_date: readOnly('integer'),
} satisfies Record<string, Field>;

const grid = {
  name: readOnly('string', { search: '=' }),
  service_status: readOnly('string'),
} satisfies Record<string, Field>;

const userprofile = {
  name: readOnly('string', { base: true }),
  admin_group: readOnly('string'),
  email: readOnly('string'),
  time_zone: readOnly('string'),
} satisfies Record<string, Field>;

export const gridTypes = { extensibleattributedef, license, grid, userprofile };
