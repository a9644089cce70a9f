/**
 * `prevResult`: the main plugin's final result of the ADD, which comes back with CHECK and DEL from 0.4.0 on (SPEC
 * section 2 "CHECK", "DEL"). Only what an IPAM plugin can use of it.
 */
import * as v from 'valibot';
import { cidrText, jsonObject } from './config-check.ts';

export interface PrevResult {
  /** CIDR, canonical; may hold addresses of other plugins of the chain. */
  readonly addresses: readonly string[];
}

const address = v.pipe(
  jsonObject,
  v.object({ address: cidrText() }),
  v.transform((ip) => ip.address),
);

export const prevResultSchema = v.pipe(
  jsonObject,
  v.object({ ips: v.nullish(v.array(address, 'an array')) }),
  v.transform((result): PrevResult => ({ addresses: result.ips ?? [] })),
);
