/**
 * Defines schemas for all objects read from WAPI, with their object types and requested fields. Field names: WAPI documentation, the page
 * of each object.
 */
import * as v from 'valibot';
import { type Cidr, type Family, parseCidr } from '../address.ts';
import { networkNameAttribute } from '../attributes.ts';
import { GridError, type Outcome } from '../errors.ts';
import {
  type DescribedReservation,
  type Network,
  type Occupant,
  type Range,
  type Reservation,
  type Sighting,
  sighting,
} from '../grid.ts';
import { addressOf, type Dialect, dialects, text } from './dialect.ts';
import { referenceTo, typeOf } from './request.ts';

const attributeValue = v.union([text, v.number(), v.boolean()]);

/**
 * An attribute of an object: a string, a number or a list of them (WAPI documentation, "extattrsearch"); with `inheritance_source` if
 * inherited from its network (WAPI documentation, "Extensible Attributes").
 */
const attribute = v.object({
  value: v.union([attributeValue, v.pipe(v.array(attributeValue), v.maxLength(100))]),
  inheritance_source: v.optional(v.unknown()),
});

/** Checks only the attribute with the network name; others may have any form. */
const NamedNetwork = v.object({ [networkNameAttribute]: v.optional(attribute) });

/** The host that answered, and when. */
type Answerer = Pick<Sighting, 'host' | 'answeredAt'>;

/** A type of objects: the requested fields, and their conversion to the port's type. */
export interface Kind<S extends v.GenericSchema, T> {
  readonly type: string;
  readonly schema: S;
  /** `_return_fields`. */
  readonly fields: string;
  readonly read: (object: v.InferOutput<S>, answer: Answerer) => T;
}

type ObjectOf<Entries extends v.ObjectEntries> = v.InferOutput<v.ObjectSchema<Entries, undefined>>;

/** Makes a kind. @param entries schemas of the requested fields, and perhaps of the reference */
function kindOf<const Entries extends v.ObjectEntries, T = ObjectOf<Entries>>(
  type: string,
  entries: Entries,
  read: (object: ObjectOf<Entries>, answer: Answerer) => T,
) {
  const fields = Object.keys(entries).filter((name) => name !== '_ref');
  return { type, schema: v.object(entries), fields: fields.join(), read };
}

/** `server_association_type` of a reserved range (NIOS 9.0 documentation, "Configuring IPv4 Address Ranges"). */
export const unserved = 'NONE';

export type Objects = ReturnType<typeof objectsIn>;

/** Makes the kinds of objects of a family. */
function objectsIn(dialect: Dialect) {
  const { prefix, identity, around } = dialect;
  const fixedType = `${prefix}fixedaddress`;
  const networkType = `${prefix}network`;
  const inView = { network_view: v.optional(text, 'default'), comment: v.optional(text, '') };
  const place = { _ref: referenceTo(networkType), network: text };
  const address = addressOf(dialect.family);

  const ofFixed = { _ref: referenceTo(fixedType), ...inView };
  const fixedFields = [dialect.address, 'network_view', 'comment', ...identity].join();
  const ofDescription = {
    network: v.optional(text, ''),
    name: v.optional(text, ''),
    extattrs: v.optional(v.record(text, attribute), {}),
  };
  type Fixed = v.InferOutput<Dialect['fixed']> & ObjectOf<typeof ofFixed>;
  const asReservation = ({ _ref, network_view: view, ...fixed }: Fixed, answer: Answerer): Reservation => {
    const { address, comment, isReserved, matchedBy, mac } = fixed;
    return { address, view, comment, isReserved, matchedBy, mac, seen: seenIn(answer, { _ref }) };
  };
  return {
    ...dialect,
    reservation: {
      type: fixedType,
      schema: v.intersect([dialect.fixed, v.object(ofFixed)]),
      fields: fixedFields,
      read: asReservation,
    },
    /** With all fields that show who made it. */
    describedReservation: {
      type: fixedType,
      schema: v.intersect([dialect.fixed, v.object({ ...ofFixed, ...ofDescription })]),
      fields: `${fixedFields},${Object.keys(ofDescription).join()}`,
      read: (object: Fixed & ObjectOf<typeof ofDescription>, answer: Answerer): DescribedReservation => {
        const { network, name, extattrs } = object;
        const own = Object.entries(extattrs).filter(([, { inheritance_source: source }]) => source === undefined);
        const attributes = new Map(own.map(([key, { value }]) => [key, value]));
        return { ...asReservation(object, answer), network: parseCidr(network), name, attributes };
      },
    },
    network: kindOf(
      networkType,
      { ...place, ...inView, extattrs: v.optional(NamedNetwork, {}) },
      (object, answer): Network => {
        const { network_view: view, comment, extattrs } = object;
        const name = extattrs[networkNameAttribute]?.value;
        const names = name === undefined ? [] : [name].flat().map(String);
        return { cidr: cidrOf(object), view, comment, names, seen: seenIn(answer, object) };
      },
    ),
    /**
     * Utilisation in tenths of a percent, from the grid's last count (`utilization_update`). The vendor calls it a percentage
     * (infobloxopen/infoblox-nios-go-client, ipam/docs/Network.md), but public clients divide it by 1000.
     */
    networkUtilization: kindOf(networkType, { ...place, utilization: v.pipe(v.number(), v.minValue(0)) }, (object) => ({
      cidr: cidrOf(object),
      tenths: object.utilization,
    })),
    /** Only the CIDRs of networks, for long lists. */
    networkCidr: kindOf(networkType, place, cidrOf),
    /** The CIDR of an address's network. */
    networkAround: kindOf(around.type, { ...place, _ref: referenceTo(around.type) }, cidrOf),
    range: kindOf(
      `${prefix}range`,
      {
        _ref: referenceTo(`${prefix}range`),
        // A range that only delegates prefixes has no addresses.
        start_addr: v.optional(address),
        end_addr: v.optional(address),
        network: text,
        ...inView,
        server_association_type: v.optional(text, unserved),
      },
      (object, answer): Range => ({
        first: object.start_addr ?? '',
        last: object.end_addr ?? '',
        network: cidrOf(object),
        view: object.network_view,
        comment: object.comment,
        isReserved: object.server_association_type === unserved,
        seen: seenIn(answer, object),
      }),
    ),
    /**
     * The use of an address; undefined if free. Ignores its status: the network's own address is USED, and no source says what an address
     * inside a range is. UNMANAGED means found by discovery, without an object.
     */
    occupant: kindOf(
      `ipv${dialect.family}address`,
      {
        ip_address: address,
        objects: v.optional(v.pipe(v.array(v.string()), v.maxLength(1_000)), []),
        types: v.optional(v.pipe(v.array(text), v.maxLength(100)), []),
        comment: v.optional(text, ''),
      },
      ({ ip_address: address, objects, types, comment }): Occupant | undefined => {
        if (objects.length === 0 && !types.includes('UNMANAGED')) return undefined;
        const isReservation = objects.length === 1 && typeOf(objects[0] ?? '') === fixedType;
        return { address, comment: isReservation ? comment : '' };
      },
    ),
  };
}

export const objectsOf: Readonly<Record<Family, Objects>> = { 4: objectsIn(dialects[4]), 6: objectsIn(dialects[6]) };

/** Parses a network's CIDR. @throws GridError `bad-answer` */
export function cidrOf({ network }: { readonly network: string }): Cidr {
  const cidr = parseCidr(network);
  if (cidr === undefined) throw new GridError('bad-answer', `the grid calls a network "${network}"`);
  return cidr;
}

function seenIn({ host, answeredAt }: Answerer, { _ref: object }: { readonly _ref: string }): Sighting {
  return sighting({ host, answeredAt, object });
}

/** Makes a kind of which only the existence counts. */
export function anyOf(type: string) {
  // Some field has to be named, and all these types have this one.
  return { ...kindOf(type, { _ref: referenceTo(type) }, ({ _ref }) => _ref), fields: 'comment' };
}

/** A definition of an extensible attribute on the grid. */
export interface DefinedAttribute {
  readonly name: string;
  readonly type: string;
  /** Values of an ENUM. */
  readonly values: readonly string[];
}

export const attributeDefinition = kindOf(
  'extensibleattributedef',
  {
    name: text,
    type: v.optional(text, ''),
    list_values: v.optional(v.array(v.object({ value: text })), []),
  },
  ({ name, type, list_values }): DefinedAttribute => ({ name, type, values: list_values.map(({ value }) => value) }),
);

const few = v.pipe(v.array(text), v.maxLength(100));

/** The answers of `next_available_ip` and `next_available_network`. */
export const NextAvailable = v.union([v.object({ ips: few }), v.object({ networks: few })]);

/**
 * Checks an answer against its schema.
 * @param request `what`: names the request in messages; `outcome`: `unknown` for a write, which the grid may have carried out
 * @throws GridError `bad-answer` with the first unexpected field
 */
export function parseAnswer<const S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  { what, outcome = 'none' }: { readonly what: string; readonly outcome?: Outcome },
): v.InferOutput<S> {
  // Stop at the first fault: the list of all faults of a large answer could exhaust the memory.
  const parsed = v.safeParse(schema, value, { abortEarly: true, abortPipeEarly: true });
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  const path = v.getDotPath(issue) ?? 'the answer';
  const expected = issue.kind === 'validation' ? issue.message : issue.expected;
  throw new GridError('bad-answer', `${what}: ${path} is ${issue.received}, expected ${expected}`, {
    outcome,
    hint: 'the grid answers in a form that this release does not know',
  });
}
