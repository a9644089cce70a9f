import { notFoundError, protocolError, unknownAttribute, unknownField } from '../errors.ts';
import { duidOf, macOf } from '../rules/client-identity.ts';
import { addressOf, cidrOf } from '../rules/field-access.ts';
import type { Field } from '../schema/field.ts';
import { OBJECT_TYPES } from '../schema/object-types.ts';
import { type Family, formatAddress, parseAddress } from '../store/address.ts';
import type { Database } from '../store/database.ts';
import { familyOfType, type Json, type TypeName } from '../store/grid-objects.ts';
import { dnsViewOf } from './read-field.ts';

export type Operator = '=' | ':' | '~' | '<' | '>' | '!';

/** One condition of a search, checked against the schema. `name` is a field, or an attribute if `attribute` is set. */
export interface Term {
  readonly name: string;
  readonly attribute: boolean;
  readonly operator: Operator;
  readonly value: string;
  readonly field?: Field;
}

const MODIFIERS = ':~<>!';

function isModifier(character: string): character is Exclude<Operator, '='> {
  return character !== '' && MODIFIERS.includes(character);
}

/**
 * Parses a search argument (`field`, `field~`, `*Attribute`, …). Throws for unknown or unsearchable fields, forbidden
 * modifiers, values of a wrong type, malformed addresses, and views that don't exist.
 */
export function searchTerm(db: Database, type: TypeName, key: string, value: Json): Term {
  const last = key.slice(-1);
  const operator: Operator = isModifier(last) ? last : '=';
  const name = operator === '=' ? key : key.slice(0, -1);
  if (name.startsWith('*')) return attributeTerm(db, name.slice(1), operator, value);
  const field = OBJECT_TYPES[type].fields[name];
  if (!field) throw unknownField(name);
  if (field.search === '') throw protocolError(`Field is not searchable: ${name}`);
  if (!field.search.includes(operator)) {
    throw protocolError(`Search modifier '${operator}' not allowed for field: ${name}`);
  }
  const text = searchText(name, field, value);
  const family = name === 'ipv6addr' ? 6 : familyOfType(type);
  const wanted = operator === '~' ? text : normalised(db, { field, family }, text);
  return { name, attribute: false, operator, value: wanted, field };
}

function attributeTerm(db: Database, name: string, operator: Operator, value: Json): Term {
  if (!db.attributeDefinition(name)) throw unknownAttribute(name);
  return { name, attribute: true, operator, value: String(value) };
}

function searchText(name: string, field: Field, value: Json): string {
  if (field.kind === 'boolean') {
    // A boolean is text in a query string, and a boolean in a JSON body.
    const text = String(value).toLowerCase();
    if (['true', '1'].includes(text)) return 'true';
    if (['false', '0'].includes(text)) return 'false';
    throw protocolError(`Invalid value for ${name}: ${JSON.stringify(value)}: Must be boolean type`);
  }
  if (typeof value !== 'string') {
    throw protocolError(`Invalid value for ${name}: ${JSON.stringify(value)}: Must be string type`);
  }
  if (field.kind === 'enum' && !field.values.includes(value)) {
    throw protocolError(`Invalid value for ${name} ("${value}") valid values are: ${field.values.join(', ')}`);
  }
  return value;
}

function normalised(db: Database, { field, family }: { field: Field; family: Family }, text: string): string {
  switch (field.format) {
    case 'address':
      return formatAddress(addressOf(text, family));
    case 'cidr':
      return cidrOf(text, family).text;
    case 'mac':
      return macOf(text);
    case 'duid':
      return duidOf(text);
    case 'view':
      if (!db.viewNamed(text)) throw notFoundError(`Network View ${text} not found`);
      return text;
    case 'dns-view':
      if ([...db.all('networkview')].every((view) => dnsViewOf(view.name) !== text)) {
        throw notFoundError(`View ${text} not found`);
      }
      return text;
    default:
      return text;
  }
}

/**
 * Makes the predicate of a term: case-insensitive, ordered (addresses by number), or an unanchored regular expression.
 */
export function valueTest({ operator, value }: Term): (held: Json) => boolean {
  switch (operator) {
    case ':':
      return (held) => String(held).toLowerCase() === value.toLowerCase();
    case '~': {
      const expression = regularExpression(value);
      return (held) => expression.test(String(held));
    }
    case '!':
      return (held) => String(held) !== value;
    case '<':
      return (held) => compare(String(held), value) <= 0;
    case '>':
      return (held) => compare(String(held), value) >= 0;
    default:
      return (held) => String(held) === value;
  }
}

function regularExpression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    // Assumed wording.
    throw protocolError(`Invalid regular expression: ${text}`);
  }
}

function compare(left: string, right: string): number {
  const [a, b] = [left, right].map((text) => parseAddress(text) ?? Number(text));
  if (a === undefined || b === undefined || Number.isNaN(a) || Number.isNaN(b))
    return left < right ? -1 : Number(left > right);
  return a < b ? -1 : Number(a > b);
}
