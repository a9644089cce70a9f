/** Describes a missing permission for the people who manage rights on the grid: the user, the object, and NIOS's name of the permission. */
import { GridError } from '../errors.ts';
import { aboutOf, describe, type Request, writes } from './request.ts';

/** Name and global permission of each object type without its family. */
const objects: Readonly<Record<string, { readonly name: string; readonly permission: string }>> = {
  fixedaddress: { name: 'reservation', permission: 'Fixed Addresses/Reservations' },
  network: { name: 'network', permission: 'Networks' },
  networkcontainer: { name: 'network container', permission: 'Networks' },
  range: { name: 'range', permission: 'DHCP Ranges' },
  address: { name: 'use of address', permission: 'Networks' },
};

const verbs = { GET: 'read', POST: 'create', PUT: 'change', DELETE: 'delete' } as const;

/**
 * Adds the missing right to a refusal. Names of permissions: NIOS 9.0 documentation, "Administrative Permissions for DHCP Resources".
 * @param refusal the grid's refusal
 * @param user the user name; empty with a client certificate alone
 */
export function refusedRight(refusal: GridError, request: Request, user: string): GridError {
  const { reason, message, outcome } = refusal;
  const verb = writes(request) ? verbs[request.method] : verbs.GET;
  const { what, permission } = rightTo(request);
  const who = user === '' ? 'the user of the client certificate' : `user ${JSON.stringify(user)}`;
  const own = `${describe(request)}: `;
  const why = message.startsWith(own) ? message.slice(own.length) : message;
  const level = verb === 'read' ? 'Read-Only' : 'Read/Write';
  const hint =
    permission === undefined
      ? refusal.hint
      : `give its role on the grid the permission "${permission}" (${level}), or the same for that object or its parent (docs/grid.md, Permissions)`;
  return new GridError(reason, `${who} may not ${verb} ${what}: ${why}`, { hint, outcome, cause: refusal });
}

/** Names the object of a request, and the permission. */
function rightTo(request: Request): { readonly what: string; readonly permission?: string } {
  const type = aboutOf(request);
  const [, family = 'v4', kind = ''] = /^(?:ip(v[46]))?(.*)$/.exec(type) ?? [];
  const place = placeOf(request);
  if (kind === 'networkview') return { what: `network view${place}`, permission: 'All Network Views' };
  const { name, permission } = objects[kind] ?? {};
  if (name === undefined) return { what: `${type}${place}` };
  return { what: `${name}${place}`, permission: `All IP${family} ${permission}` };
}

/** Returns the place of the object: ` 172.18.7.0/24 in view default`. */
function placeOf({ path, query = {}, body = {} }: Request): string {
  const [, reference] = /^[^/]*\/[^:]*:(.*)$/.exec(path) ?? [];
  if (reference !== undefined) {
    const slash = reference.lastIndexOf('/');
    return slash < 0 ? ` ${reference}` : ` ${reference.slice(0, slash)} in view ${reference.slice(slash + 1)}`;
  }
  const from = { ...query, ...body };
  const view = from.network_view === undefined ? '' : ` in view ${from.network_view}`;
  // A range is named with its network, too.
  const range = from.start_addr === undefined ? undefined : `${from.start_addr}-${from.end_addr}`;
  const named = range ?? from.network ?? from.ipv4addr ?? from.ipv6addr ?? from.ip_address ?? from.name;
  const next = /^func:\w+:([^,]+)/.exec(String(named))?.[1];
  const source = next ?? sourceIn(named);
  return `${source === undefined ? (named === undefined ? '' : ` ${named}`) : ` from ${source}`}${view}`;
}

/** Returns the network or range of a next-available call in its long form. */
function sourceIn(named: unknown): string | undefined {
  if (typeof named !== 'object' || named === null || !('_object_parameters' in named)) return undefined;
  const { network, start_addr, end_addr } = named._object_parameters as Readonly<Record<string, string>>;
  return network ?? `${start_addr}-${end_addr}`;
}
