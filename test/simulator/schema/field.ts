/** The JSON type of a field. `extattrs` is the dictionary of extensible attributes. */
export type FieldKind = 'string' | 'boolean' | 'integer' | 'enum' | 'list' | 'struct' | 'extattrs';

/** The schema of one field of an object type. */
export interface Field {
  readonly kind: FieldKind;
  /** Returned when no `_return_fields` is given. */
  readonly base: boolean;
  /** Must be in a create. */
  readonly required: boolean;
  /** Allowed search operators, of `=` `:` `~` `<` `>`; empty: not searchable. */
  readonly search: string;
  readonly readable: boolean;
  readonly writable: boolean;
  /** `same`: an update may repeat the stored value but not change it. */
  readonly update: 'yes' | 'same' | 'no';
  /** The values of an enum. */
  readonly values: readonly string[];
  /** Comments: no blanks at the ends and at most this many characters. */
  readonly maxLength?: number;
  /** How the value is checked and compared, if it is not plain text. */
  readonly format?: 'address' | 'cidr' | 'mac' | 'duid' | 'view' | 'dns-view';
  /** May contain a next-available function instead of a value. */
  readonly allocates: boolean;
}

const plain: Field = {
  kind: 'string',
  base: false,
  required: false,
  search: '',
  readable: true,
  writable: true,
  update: 'yes',
  values: [],
  allocates: false,
};

/** Makes a field: an optional, readable, writable, unsearchable string, overridden by `traits`. */
export function field(traits: Partial<Field> = {}): Field {
  return { ...plain, ...traits };
}

/** Makes a field that the grid computes. */
export function readOnly(kind: FieldKind, traits: Partial<Field> = {}): Field {
  return { ...plain, kind, writable: false, ...traits };
}

/** Makes a switch that affects the write and is never stored or shown. */
export function writeOnly(kind: FieldKind): Field {
  return { ...plain, kind, readable: false };
}

/** Makes a search argument that is not a field of the object. */
export function searchOnly(search: string, traits: Partial<Field> = {}): Field {
  return { ...plain, readable: false, writable: false, search, ...traits };
}

export const comment = field({ base: true, search: '=:~', maxLength: 256 });
export const quietComment = field({ search: '=:~', maxLength: 256 });
export const extattrs = field({ kind: 'extattrs' });
/** WAPI: an update of network_view is refused. */
export const networkView = field({ base: true, search: '=', update: 'no', format: 'view' });
export const toggle = field({ kind: 'boolean' });
export const list = field({ kind: 'list' });
export const counter = readOnly('integer');
export const cloudInfo = readOnly('struct');
