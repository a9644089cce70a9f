/** The grid's objects as we read them. Everything that comes from WAPI enters through these schemas. */
import * as v from 'valibot';
import { GridError, type Outcome } from './errors.ts';

/** WAPI: `"extattrs": {"Name": {"value": v}}`; a value may be a string, a number or a list of them. */
const ExtensibleAttributes = v.record(v.string(), v.object({ value: v.unknown() }));

/** WAPI: a string such as `network/ZG5z...:10.0.0.0/24/default`. */
export const Reference = v.pipe(v.string(), v.regex(/^[a-z0-9_:]+\/\S+/i, 'a WAPI reference'));

export const FixedAddress = v.object({
  _ref: Reference,
  ipv4addr: v.pipe(v.string(), v.ipv4('an IPv4 address')),
  network_view: v.optional(v.string(), 'default'),
  comment: v.optional(v.string(), ''),
  mac: v.optional(v.string(), ''),
  match_client: v.optional(v.string(), ''),
});
export type FixedAddress = v.InferOutput<typeof FixedAddress>;
/** `_return_fields` for FixedAddress. */
export const fixedAddressFields = 'ipv4addr,network_view,comment,mac,match_client';

/** WAPI: the MAC address of a reservation, which no client has. */
export const zeroMac = '00:00:00:00:00:00';

/** True for a reservation, the only kind of fixed address that we make: a client could get any other kind by DHCP. */
export function isReservation({ match_client, mac }: FixedAddress): boolean {
  return match_client === 'RESERVED' && (mac === zeroMac || mac === '');
}

export const Network = v.object({
  _ref: Reference,
  network: v.string(),
  comment: v.optional(v.string(), ''),
  extattrs: v.optional(ExtensibleAttributes, {}),
});
export type Network = v.InferOutput<typeof Network>;
/** `_return_fields` for Network. */
export const networkFields = 'network,comment,extattrs';

export const Referenced = v.object({ _ref: Reference });
export const IPv4Address = v.object({ status: v.string(), types: v.optional(v.array(v.string()), []) });
export const AttributeDefinition = v.object({ name: v.string() });
export const NextAddresses = v.object({ ips: v.array(v.string()) });

/** One page of a paged search. */
export function page<const S extends v.GenericSchema>(item: S) {
  return v.object({ result: v.array(item), next_page_id: v.optional(v.string()) });
}

/**
 * Checks an answer against its schema.
 * @param what the request in words, for the message
 * @param outcome `unknown` if the request was a write, which the grid carried out or not
 * @throws GridError `bad-answer` naming the first field that is not as expected
 */
export function parseAnswer<const S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  what: string,
  outcome: Outcome = 'none',
): v.InferOutput<S> {
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  const path = v.getDotPath(issue) ?? 'the answer';
  throw new GridError(
    'bad-answer',
    `${what}: ${path} is ${issue.received}, expected ${issue.expected ?? issue.message}`,
    {
      outcome,
      cure: 'the grid answers in a form that this release does not know',
    },
  );
}
