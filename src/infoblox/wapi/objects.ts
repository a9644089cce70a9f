/**
 * The grid's objects as they are read: everything that comes from WAPI enters through these schemas. Beside each stand its
 * object type and the fields that are asked for. Field names: WAPI documentation, the page of each object.
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
 * One attribute of an object, a string, a number or a list of them (WAPI documentation, "extattrsearch"); `inheritance_source` if
 * it is its network's (WAPI documentation, "Extensible Attributes").
 */
const attribute = v.object({
  value: v.union([attributeValue, v.pipe(v.array(attributeValue), v.maxLength(100))]),
  inheritance_source: v.optional(v.unknown()),
});

/** Only the attribute that networks are told apart by is read, so that the others can be whatever they are. */
const NamedNetwork = v.object({ [networkNameAttribute]: v.optional(attribute) });

/** Who has shown something, and when. */
type Answerer = Pick<Sighting, 'host' | 'answeredAt'>;

/** Objects of one type: what is asked for of each, and what that is in the words of the port. */
export interface Kind<S extends v.GenericSchema, T> {
  readonly type: string;
  readonly schema: S;
  /** `_return_fields`. */
  readonly fields: string;
  readonly read: (object: v.InferOutput<S>, answer: Answerer) => T;
}

type ObjectOf<Entries extends v.ObjectEntries> = v.InferOutput<v.ObjectSchema<Entries, undefined>>;

/** Makes a kind. @param entries the fields that are asked for, beside the reference */
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
    /** With all that tells who has made it. */
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
     * How full networks are: tenths of a percent, as of the grid's last count (`utilization_update`). The vendor says "percentage"
     * (infobloxopen/infoblox-nios-go-client, ipam/docs/Network.md); public clients that make a share of it divide by 1000.
     */
    networkUtilization: kindOf(networkType, { ...place, utilization: v.pipe(v.number(), v.minValue(0)) }, (object) => ({
      cidr: cidrOf(object),
      tenths: object.utilization,
    })),
    /** Where networks lie, of which there may be many. */
    networkCidr: kindOf(networkType, place, cidrOf),
    /** Where the network lies that an address is in. */
    networkAround: kindOf(around.type, { ...place, _ref: referenceTo(around.type) }, cidrOf),
    range: kindOf(
      `${prefix}range`,
      {
        _ref: referenceTo(`${prefix}range`),
        // One that delegates prefixes alone has no addresses.
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
     * What is at an address; undefined if nothing is. Its status does not tell: the network's own address is USED, and no source says
     * what one inside a range is. UNMANAGED is what discovery has found, which is no object.
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

/** @throws GridError `bad-answer` */
export function cidrOf({ network }: { readonly network: string }): Cidr {
  const cidr = parseCidr(network);
  if (cidr === undefined) throw new GridError('bad-answer', `the grid calls a network "${network}"`);
  return cidr;
}

function seenIn({ host, answeredAt }: Answerer, { _ref: object }: { readonly _ref: string }): Sighting {
  return sighting({ host, answeredAt, object });
}

/**
 * Makes the kind of an object of which nothing counts but that it is there.
 * @param fields any that objects of the type have
 */
export function anyOf(type: string, fields: string) {
  return { ...kindOf(type, { _ref: referenceTo(type) }, ({ _ref }) => _ref), fields };
}

/** An extensible attribute as the grid defines it. */
export interface DefinedAttribute {
  readonly name: string;
  readonly type: string;
  /** What an ENUM takes. */
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

export const NextAddresses = v.object({ ips: v.pipe(v.array(text), v.maxLength(100)) });
export const NextNetworks = v.object({ networks: v.pipe(v.array(text), v.maxLength(100)) });

/**
 * Checks an answer against its schema.
 * @param request `what`: in words, for the message; `outcome`: `unknown` for a write, which the grid carried out or not
 * @throws GridError `bad-answer` naming the first field that is not as expected
 */
export function parseAnswer<const S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  { what, outcome = 'none' }: { readonly what: string; readonly outcome?: Outcome },
): v.InferOutput<S> {
  // One thing that is wrong is enough: to list all of an answer's faults may take more memory than there is.
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
