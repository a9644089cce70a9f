/** A route as the network configuration gives it and as a result returns it (SPEC section 5 "ADD Success"). */
import * as v from 'valibot';
import { parseAddress, parseCidr } from './address.ts';
import { addressText, cidrText, jsonObject } from './config-check.ts';

export interface Route {
  /** CIDR; host bits are kept as written. */
  readonly dst: string;
  /** Next hop. A route without one gets the network's gateway, if there is one: see `withNextHops`. */
  readonly gw?: string;
  /** Bytes; 0 is the same as absent. */
  readonly mtu?: number;
  /** Bytes; 0 is the same as absent. */
  readonly advmss?: number;
  /** 0 is the same as absent. */
  readonly priority?: number;
  /** 0 is a value. */
  readonly table?: number;
  /** 0 is a value. */
  readonly scope?: number;
}

const dstHint = 'an address range such as 10.0.0.0/8, or 0.0.0.0/0 for the default route';
const countHint = 'a whole number from 0 to 4294967295';

/** The kernel takes all of these as unsigned 32 bit numbers or less. */
const count = v.nullish(
  v.pipe(
    v.number(countHint),
    v.check((value) => Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, countHint),
  ),
);

/** Like the reference, takes absent, null and "" as no next hop. */
const gateway = v.nullish(v.union([v.literal(''), addressText], (issue) => nextHopHint(issue.input)));

export const routeSchema = v.pipe(
  jsonObject,
  v.object({
    dst: cidrText(dstHint),
    gw: gateway,
    mtu: count,
    advmss: count,
    priority: count,
    table: count,
    scope: count,
  }),
  v.transform(toRoute),
);

/** rtnetlink(7) RT_SCOPE_LINK: destinations on the link itself have this scope or a narrower one, and no next hop. */
const linkScope = 253;

/**
 * Sets a gateway as the next hop of each route of its family that has none. The reference main plugins install that
 * next hop (plugins, pkg/ipam ConfigureIface), but their CHECK compares it with the result's `gw` (pkg/ip
 * ValidateExpectedRoute) and would not find a route without one.
 * @param gateways bare addresses; the first of each family counts
 */
export function withNextHops(routes: readonly Route[], gateways: readonly string[]): Route[] {
  return routes.map((route) => {
    const family = parseCidr(route.dst)?.family;
    const gw = gateways.find((one) => parseAddress(one)?.family === family);
    const onLink = route.scope !== undefined && route.scope >= linkScope;
    return route.gw || onLink || gw === undefined ? route : { ...route, gw };
  });
}

function nextHopHint(found: unknown): string {
  const withPrefix = typeof found === 'string' && found.includes('/');
  return withPrefix ? 'an address without prefix length' : 'an address such as 10.0.0.1';
}

/** Leaves out absent values, so that a result can be printed from it. */
function toRoute(input: { dst: string } & { [K in keyof Route]?: Route[K] | null | undefined }): Route {
  const present = Object.entries(input).filter(([, value]) => value !== null && value !== undefined && value !== '');
  return { ...Object.fromEntries(present), dst: input.dst };
}
