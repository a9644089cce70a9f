/**
 * What people want to know of a grid, for figures and for doctor: versions, licences, what a user may see, how full networks are. Nothing
 * is changed. All throw GridError as the session does, and `bad-answer` for what WAPI does not answer.
 */
import * as v from 'valibot';
import { hasReason } from '../errors.ts';
import { findExactly } from './paged-search.ts';
import type { Query, Request } from './request.ts';
import { anyOf, NextNetworks, networkUtilization, parseAnswer } from './schemas.ts';
import type { Session } from './session.ts';

const text = v.pipe(v.string(), v.maxLength(256));

const GridSchema = v.object({ supported_versions: v.pipe(v.array(text), v.maxLength(1_000)) });

const License = v.object({ type: text, expiration_status: v.optional(text, '') });
export type License = v.InferOutput<typeof License>;

const Range = v.object({ start_addr: v.pipe(text, v.ipv4()), end_addr: v.pipe(text, v.ipv4()) });
const Named = v.object({ name: v.optional(text, '') });

/** A DHCP range: its first and its last address. */
export interface DhcpRange {
  readonly first: string;
  readonly last: string;
}

/** Results that are looked at of a list that is not read to its end. */
const most = 1_000;

export class GridInspection {
  readonly #session: Pick<Session, 'ask' | 'request' | 'clock'>;

  constructor(session: Pick<Session, 'ask' | 'request' | 'clock'>) {
    this.#session = session;
  }

  /** Lists the WAPI versions that the grid serves (vendor's blog on WAPI schema fetching: `?_schema` on the base URL). */
  async versions(signal: AbortSignal): Promise<string[]> {
    const answer = await this.#get({ path: '', query: { _schema: '' } }, signal);
    return parseAnswer(GridSchema, answer, { what: 'GET ?_schema' }).supported_versions;
  }

  /** Lists the licences of the grid's members; may be empty for a user who must not see them. */
  async licenses(signal: AbortSignal): Promise<License[]> {
    const query = { _return_fields: 'type,expiration_status' };
    return this.#list({ path: 'member:license', query }, License, signal);
  }

  /**
   * Tells whether the user sees any object of a type.
   * @param query criteria, where the type wants some; `_return_fields` must name one that it has
   */
  async sees(type: string, query: Query, signal: AbortSignal): Promise<boolean> {
    const answer = await this.#get({ path: type, query: { ...query, _max_results: '1' } }, signal);
    return parseAnswer(v.array(v.unknown()), answer, { what: `GET ${type}` }).length > 0;
  }

  /** Lists the DHCP ranges of a network. */
  async ranges(network: string, view: string, signal: AbortSignal): Promise<DhcpRange[]> {
    const query = { network, network_view: view, _return_fields: 'start_addr,end_addr' };
    const found = await this.#list({ path: 'range', query }, Range, signal);
    return found.map(({ start_addr, end_addr }) => ({ first: start_addr, last: end_addr }));
  }

  /** Finds networks with how full they are, by exact criteria. */
  utilization(
    query: Query,
    signal: AbortSignal,
  ): Promise<{ readonly network: string; readonly utilization: number }[]> {
    return findExactly(this.#session, { ...networkUtilization, query }, signal);
  }

  /**
   * Tells whether a network of some length is free in a network container. Reserves nothing, as `WapiClient.hasFreeAddress`.
   * @param query criteria of the container
   * @param prefixLength in bits
   * @returns undefined if the container is not there
   */
  async hasFreeNetwork(query: Query, prefixLength: number, signal: AbortSignal): Promise<boolean | undefined> {
    const what = 'next_available_network';
    const [container] = await findExactly(this.#session, { ...anyOf('networkcontainer', 'comment'), query }, signal);
    if (container === undefined) return undefined;
    const body = { num: 1, cidr: prefixLength };
    const request = { method: 'POST', path: container._ref, query: { _function: what }, body } as const;
    try {
      const answer = await this.#session.request(request, signal);
      return parseAnswer(NextNetworks, answer, { what }).networks.length > 0;
    } catch (error) {
      if (hasReason(error, 'no-free-network')) return false;
      throw error;
    }
  }

  /** Lists the names of the hosts that have an address. */
  async hostsAt(address: string, view: string, signal: AbortSignal): Promise<string[]> {
    const query = { ipv4addr: address, network_view: view, _return_fields: 'name' };
    return (await this.#list({ path: 'record:host', query }, Named, signal)).map(({ name }) => name);
  }

  /** A positive `_max_results` cuts the list without an error (ibx-sdk, user guide). */
  async #list<const S extends v.GenericSchema>(
    { path, query }: Pick<Request, 'path' | 'query'>,
    schema: S,
    signal: AbortSignal,
  ): Promise<v.InferOutput<S>[]> {
    const answer = await this.#get({ path, query: { ...query, _max_results: String(most) } }, signal);
    return parseAnswer(v.array(schema), answer, { what: `GET ${path}` });
  }

  #get(request: Pick<Request, 'path' | 'query'>, signal: AbortSignal): Promise<unknown> {
    return this.#session.request({ method: 'GET', ...request }, signal);
  }
}
