/**
 * `prevResult`: the main plugin's final result of the ADD, which comes back with CHECK and DEL from 0.4.0 on (SPEC
 * section 2 "CHECK", "DEL"). Only what an IPAM plugin can use of it.
 */
import * as v from 'valibot';
import { cidrText, jsonObject } from './config-check.ts';

export interface PrevResult {
  /** CIDR, canonical; may hold addresses of other plugins of the chain. */
  readonly addresses: readonly string[];
  readonly interfaces: readonly PrevInterface[];
}

/** An interface that the main plugin made. Its MAC is a label at most: later plugins may have changed it. */
export interface PrevInterface {
  readonly name: string;
  /** As written; '' if the main plugin did not say. */
  readonly mac: string;
  /** Namespace path; '' for an interface of the host. */
  readonly sandbox: string;
}

const optionalText = v.nullish(v.string('a string'), '');

const address = v.pipe(
  jsonObject,
  v.object({ address: cidrText() }),
  v.transform((ip) => ip.address),
);

const prevInterface = v.pipe(jsonObject, v.object({ name: optionalText, mac: optionalText, sandbox: optionalText }));

export const prevResultSchema = v.pipe(
  jsonObject,
  v.object({ ips: v.nullish(v.array(address, 'an array')), interfaces: v.nullish(v.array(prevInterface, 'an array')) }),
  v.transform((result): PrevResult => ({ addresses: result.ips ?? [], interfaces: result.interfaces ?? [] })),
);
