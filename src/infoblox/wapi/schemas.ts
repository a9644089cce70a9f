/**
 * The grid's objects as they are read: everything that comes from WAPI enters through these schemas. Beside each stand its
 * object type and the fields that are asked for. Field names: WAPI documentation, the page of each object.
 */
import * as v from 'valibot';
import { networkNameAttribute } from '../attributes.ts';
import { GridError, type Outcome } from '../errors.ts';
import { referenceTo } from './reference.ts';

/** Results that one page of a search has at most: what is asked for as `_max_results`. */
export const pageSize = 1000;

/** Characters of a name, of a comment (256 at most) and of a text that is neither, each with room to spare. */
const longestText = 1024;
/** Characters of a page's ID, which has to fit into the URL of the next request. */
const longestPageId = 4096;

const text = v.pipe(v.string(), v.maxLength(longestText, `at most ${longestText} characters`));
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

/** Puts together an object type, the schema of its objects, and the fields that are asked for: those of the schema. */
function kindOf<const Entries extends v.ObjectEntries>(type: string, entries: Entries) {
  const fields = Object.keys(entries).filter((name) => name !== '_ref');
  return { type, schema: v.object(entries), fields: fields.join() };
}

export const fixedAddress = kindOf('fixedaddress', {
  _ref: referenceTo('fixedaddress'),
  ipv4addr: v.pipe(v.string(), v.maxLength(15, 'an IPv4 address'), v.ipv4('an IPv4 address')),
  network_view: v.optional(text, 'default'),
  comment: v.optional(text, ''),
  mac: v.optional(text, ''),
  match_client: v.optional(text, ''),
});
export type FixedAddress = v.InferOutput<typeof fixedAddress.schema>;

/** A fixed address with all that tells who has made it. */
export const attributedAddress = kindOf('fixedaddress', {
  ...fixedAddress.schema.entries,
  network: v.optional(text, ''),
  name: v.optional(text, ''),
  extattrs: v.optional(v.record(text, attribute), {}),
});
export type AttributedAddress = v.InferOutput<typeof attributedAddress.schema>;

/** The MAC address of a reservation, which no client has (NIOS 9.0 documentation, "Configuring IPv4 Reservations"). */
export const zeroMac = '00:00:00:00:00:00';

/** Tells whether it is a reservation, the only kind of fixed address that we make: a client could get any other kind by DHCP. */
export function isReservation({ match_client, mac }: FixedAddress): boolean {
  return match_client === 'RESERVED' && (mac === zeroMac || mac === '');
}

export const network = kindOf('network', {
  _ref: referenceTo('network'),
  network: text,
  comment: v.optional(text, ''),
  extattrs: v.optional(NamedNetwork, {}),
});
export type Network = v.InferOutput<typeof network.schema>;

/**
 * How full networks are: tenths of a percent of their addresses, as of the grid's last count (`utilization_update`). The
 * vendor says "percentage" (infobloxopen/infoblox-nios-go-client, ipam/docs/Network.md); public clients that make a share
 * of it divide by 1000.
 */
export const networkUtilization = kindOf('network', {
  _ref: referenceTo('network'),
  network: text,
  utilization: v.pipe(v.number(), v.minValue(0)),
});

/** CIDRs of networks, without their attributes, which may be many. */
export const networkCidr = { ...network, fields: 'network' };

/**
 * Makes the kind of an object of which nothing counts but that it is there.
 * @param fields any that objects of the type have
 */
export function anyOf(type: string, fields: string) {
  return { type, schema: v.object({ _ref: referenceTo(type) }), fields };
}

export const ipv4Address = kindOf('ipv4address', { status: text });

export const attributeDefinition = kindOf('extensibleattributedef', {
  name: text,
  type: v.optional(text, ''),
  /** What an ENUM takes. */
  list_values: v.optional(v.array(v.object({ value: text })), []),
});
export type DefinedAttribute = v.InferOutput<typeof attributeDefinition.schema>;

export const NextAddresses = v.object({ ips: v.pipe(v.array(text), v.maxLength(100)) });
export const NextNetworks = v.object({ networks: v.pipe(v.array(text), v.maxLength(100)) });

/** Makes the schema of one page of a paged search. */
export function page<const S extends v.GenericSchema>(item: S) {
  // Before the array is gone through: nothing is made of a list that is too long.
  const few = v.check(
    (list: unknown) => !Array.isArray(list) || list.length <= pageSize,
    `at most ${pageSize} results`,
  );
  return v.object({
    result: v.pipe(v.unknown(), few, v.array(item)),
    next_page_id: v.optional(v.pipe(v.string(), v.maxLength(longestPageId, `at most ${longestPageId} characters`))),
  });
}

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
