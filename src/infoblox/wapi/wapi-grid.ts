/** Implements the port `Grid` over WAPI. The port says what each method does and returns. */
import { type Cidr, compareAddresses, familyOf, type Interval, intersect, spanOf } from '../address.ts';
import { ofNetwork, reservedAt } from '../attributes.ts';
import { hasReason } from '../errors.ts';
import {
  type Grid,
  type MarkPlace,
  type NetworkPlace,
  type Pool,
  type RangeFilter,
  type Reservation,
  type ReservationFilter,
  type Sighted,
  type Surroundings,
  shownBest,
} from '../grid.ts';
import { beginsAs, firstWords, type MarkFilter, networkMark } from '../mark.ts';
import { AttributedRequests, type ExtensibleAttributes } from './attributes.ts';
import type { Facts } from './connection/hosts.ts';
import { Families } from './families.ts';
import { anyOf, attributeDefinition, cidrOf, NextAvailable, parseAnswer, unserved } from './objects.ts';
import { type Fields, type Query, type Question, referenceTo, typeOf } from './request.ts';
import { findExactly, searchPages } from './search.ts';
import type { Requests } from './session.ts';

export class WapiGrid implements Grid {
  readonly #session: Requests;
  readonly #attributes: ExtensibleAttributes;
  readonly #attributed: AttributedRequests;
  readonly #families: Families;

  constructor(session: Requests, attributes: ExtensibleAttributes, facts?: Facts) {
    this.#session = session;
    this.#attributes = attributes;
    this.#attributed = new AttributedRequests(session, attributes);
    this.#families = new Families(facts);
  }

  get spare(): number {
    return this.#session.spare;
  }

  /** Learns which extensible attributes the grid defines, which avoids refused creates. */
  async learnAttributes(signal: AbortSignal): Promise<void> {
    const defined = searchPages(this.#session, { ...attributeDefinition, query: {} }, signal);
    this.#attributes.learn(await Array.fromAsync(defined, ({ name }) => name));
  }

  async find(mark: string, { view, family }: MarkPlace, signal: AbortSignal) {
    const query = { comment: mark, ...scope({ view }) };
    const find = async (confirm: boolean) => {
      const searched = this.#families.searched(family).map(({ reservation }) => {
        return findExactly(this.#session, { ...reservation, query, confirm }, signal);
      });
      return (await Promise.all(searched)).flat().filter(({ comment }) => comment === mark);
    };
    try {
      return { found: await find(true) };
    } catch (error) {
      if (!hasReason(error, 'unconfirmed')) throw error;
      return { found: await find(false), unconfirmed: error };
    }
  }

  at(address: string, view: string | undefined, signal: AbortSignal) {
    const of = this.#families.of(address);
    const query = { [of.address]: address, ...scope({ view }) };
    return findExactly(this.#session, { ...of.reservation, query }, signal);
  }

  list(filter: ReservationFilter, signal: AbortSignal) {
    const { confirm } = filter;
    const query = scope(filter);
    const found = this.#families.search(filter, ({ reservation }) => {
      return searchPages(this.#session, { ...reservation, query, confirm }, signal);
    });
    return matching(found, filter);
  }

  listDescribed({ address, ...filter }: Parameters<Grid['listDescribed']>[0], signal: AbortSignal) {
    const { confirm, attributes = {} } = filter;
    const families = address === undefined ? filter.families : [familyOf(address)];
    const found = this.#families.search({ ...filter, families }, ({ describedReservation, address: field }) => {
      const query = { ...scope(filter), ...(address !== undefined && { [field]: address }) };
      return this.#attributed.list({ ...describedReservation, query, confirm, attributes }, signal);
    });
    return matching(found, filter);
  }

  async reserve({ source, comment, name, attributes, neededBy }: Parameters<Grid['reserve']>[0], signal: AbortSignal) {
    const { view } = source;
    const of = this.#families.of('address' in source ? source.address : source.nextOf);
    const address = 'address' in source ? source.address : nextAvailable(source, of.prefix);
    const change = {
      body: { [of.address]: address, network_view: view, ...of.reserved(), comment, name },
      attributes: { ...attributes, ...reservedAt(this.#session.clock.wall()) },
      neededBy,
    };
    const made = await this.#attributed.create(of.reservation, change, signal);
    return { address: made.address, view: made.network_view };
  }

  async ranges(filter: RangeFilter, signal: AbortSignal) {
    const { touching, confirm } = filter;
    const found = this.#families.search(filter, ({ range }) => {
      return searchPages(this.#session, { ...range, query: scope(filter), confirm }, signal);
    });
    const ranges = await Array.fromAsync(matching(found, filter));
    return ranges.filter((one) => one.first !== '' && (touching === undefined || intersect(one, touching)));
  }

  async createRange(
    { first, last, network, view, comment, name, attributes }: Parameters<Grid['createRange']>[0],
    signal: AbortSignal,
  ) {
    const where = { start_addr: first, end_addr: last, network: network.text, network_view: view };
    const body = { ...where, server_association_type: unserved, comment, name };
    await this.#attributed.create(this.#families.of(first).range, { body, attributes }, signal);
  }

  async occupants(
    { first, last }: Interval,
    { network, view, confirm }: Parameters<Grid['occupants']>[1],
    signal: AbortSignal,
  ) {
    const query = { 'ip_address>': first, 'ip_address<': last, ...scope({ network, view }) };
    const search = { ...this.#families.of(first).occupant, query, confirm };
    const found = await Array.fromAsync(searchPages(this.#session, search, signal));
    return found.filter((one) => one !== undefined).sort((one, other) => compareAddresses(one.address, other.address));
  }

  async relabel({ seen }: Sighted, { comment, name, attributes }: Parameters<Grid['relabel']>[1], signal: AbortSignal) {
    const body = { comment, ...(name === undefined ? {} : { name }) };
    const change = { body, attributes: attributes && { ...attributes, ...reservedAt(this.#session.clock.wall()) } };
    const answer = await this.#attributed.change(seen, change, signal);
    parseAnswer(referenceTo(typeOf(seen.object)), answer, { what: 'PUT', outcome: 'unknown' });
  }

  /** Requires WAPI's answer, the reference: something else may have answered with success. */
  async remove({ seen }: Sighted, signal: AbortSignal) {
    try {
      const answer = await this.#session.write(seen, { method: 'DELETE' }, signal);
      parseAnswer(referenceTo(typeOf(seen.object)), answer, { what: 'DELETE', outcome: 'unknown' });
    } catch (error) {
      if (!hasReason(error, 'missing')) throw error;
    }
  }

  async networkAt({ cidr, view, confirm }: Parameters<Grid['networkAt']>[0], signal: AbortSignal) {
    const search = { ...this.#families.of(cidr).network, query: scope({ network: cidr, view }), confirm };
    return (await findExactly(this.#session, search, signal))[0];
  }

  async utilization(place: NetworkPlace, signal: AbortSignal) {
    const of = this.#families.of('cidr' in place ? place.cidr : place.address);
    const { around, isCounted, networkUtilization, networkCidr, networkAround } = of;
    const where = 'cidr' in place ? { network: place.cidr.text } : { [around.by]: place.address };
    const query = { ...where, network_view: place.view };
    if (isCounted) return (await findExactly(this.#session, { ...networkUtilization, query }, signal))[0];
    const kind = 'cidr' in place ? networkCidr : networkAround;
    const [cidr] = await findExactly(this.#session, { ...kind, query }, signal);
    return cidr && { cidr, tenths: undefined };
  }

  async networksNamed(name: string, { view, family }: Parameters<Grid['networksNamed']>[1], signal: AbortSignal) {
    const { network } = this.#families.of(family);
    const byComment = { 'comment~': `^${literal(networkMark(name))}`, network_view: view };
    const byAttribute = { ...network, query: { network_view: view }, attributes: ofNetwork(name) };
    const found = await Promise.all([
      findExactly(this.#session, { ...network, query: byComment }, signal),
      Array.fromAsync(this.#attributed.list(byAttribute, signal)),
    ]);
    return found.flat();
  }

  async networksOverlapping(cidr: Cidr, view: string, signal: AbortSignal) {
    const { around, commonText, networkAround, networkCidr } = this.#families.of(cidr);
    const beginning = commonText(cidr);
    // Uses only features of all regular expression dialects.
    const inside = beginning === '' ? {} : { 'network~': `^${literal(beginning)}` };
    const searches = [
      { ...networkAround, query: { [around.by]: cidr.first, network_view: view } },
      { ...networkCidr, query: { ...inside, network_view: view } },
    ];
    const lists = await shownBest((confirm) => {
      return Promise.all(
        searches.map((search) => Array.fromAsync(searchPages(this.#session, { ...search, confirm }, signal))),
      );
    });
    const others = lists.flat().filter((other) => other.text !== cidr.text && intersect(other, cidr));
    return [...new Map(others.map((other) => [other.text, other])).values()];
  }

  async createNetwork({ source, name, comment }: Parameters<Grid['createNetwork']>[0], signal: AbortSignal) {
    const { view } = source;
    const network =
      'cidr' in source
        ? source.cidr.text
        : `func:nextavailablenetwork:${source.nextOf.text},${view},${source.prefixLength}`;
    const body = { network, network_view: view, comment };
    const { networkCidr } = this.#families.of('cidr' in source ? source.cidr : source.nextOf);
    const made = await this.#attributed.create(networkCidr, { body, attributes: ofNetwork(name) }, signal);
    return cidrOf(made);
  }

  /**
   * Asks the grid, which also considers ranges and exclusions (NIOS 9.0 documentation, "Configuring the Next Available Network or IP
   * Address").
   */
  async hasRoom(source: Parameters<Grid['hasRoom']>[0], signal: AbortSignal) {
    const { view, nextOf } = source;
    const isOfNetworks = 'prefixLength' in source;
    const isOfRange = !('text' in nextOf);
    const { prefix } = this.#families.of(nextOf);
    const type = `${prefix}${isOfNetworks ? 'networkcontainer' : isOfRange ? 'range' : 'network'}`;
    const place = isOfRange ? { start_addr: nextOf.first, end_addr: nextOf.last } : { network: nextOf.text };
    const query = { ...place, network_view: view };
    const [path] = await findExactly(this.#session, { ...anyOf(type), query }, signal);
    if (path === undefined) return undefined;
    const what = isOfNetworks ? 'next_available_network' : 'next_available_ip';
    const body = isOfNetworks ? { num: 1, cidr: source.prefixLength } : { num: 1, exclude: source.exclude ?? [] };
    const request: Question = { method: 'POST', path, query: { _function: what }, body };
    try {
      const { value } = await this.#session.ask(request, signal);
      const next = parseAnswer(NextAvailable, value, { what });
      return ('ips' in next ? next.ips : next.networks).length > 0;
    } catch (error) {
      if (hasReason(error, 'no-free-address', 'no-free-network')) return false;
      throw error;
    }
  }

  async exists({ view, container }: Surroundings, signal: AbortSignal) {
    const query = container === undefined ? { name: view } : scope({ network: container, view });
    return (await findExactly(this.#session, { ...this.#kindOf(container), query }, signal)).length > 0;
  }

  async create({ view, container }: Surroundings, signal: AbortSignal) {
    const body =
      container === undefined
        ? { name: view, comment: 'infoblox-cni' }
        : { network: container.text, network_view: view, comment: 'infoblox-cni network container' };
    await this.#attributed.create(this.#kindOf(container), { body }, signal);
  }

  #kindOf(container: Cidr | undefined) {
    return anyOf(container === undefined ? 'networkview' : `${this.#families.of(container).prefix}networkcontainer`);
  }
}

/**
 * Writes the function for the next free address. Uses the long form to exclude addresses: the short one cannot (WAPI documentation,
 * "Function Calls"; infoblox-ansible pull request 244).
 * @param prefix prefix of the family's object types
 */
function nextAvailable({ view, nextOf, exclude = [] }: Pool, prefix: string): string | Fields {
  if (exclude.length === 0) return `func:nextavailableip:${spanOf(nextOf)},${view}`;
  const [type, place] =
    'text' in nextOf
      ? ['network', { network: nextOf.text }]
      : ['range', { start_addr: nextOf.first, end_addr: nextOf.last }];
  return {
    _object_function: 'next_available_ip',
    _parameters: { num: 1, exclude },
    _result_field: 'ips',
    _object: `${prefix}${type}`,
    _object_parameters: { ...place, network_view: view },
  };
}

/** Makes the query that limits a search to a view, a network in it, and marks. */
function scope({ marks, network, view }: ReservationFilter): Query {
  return {
    ...(marks && { 'comment~': markExpression(marks) }),
    ...(network && { network: network.text }),
    ...(view !== undefined && { network_view: view }),
  };
}

/** Writes a regular expression, valid in all dialects, for comments that begin as these marks. */
function markExpression(marks: MarkFilter): string {
  const words = firstWords(marks).map((word) => (word.endsWith('=') ? `${literal(word)}[^ ]*` : literal(word)));
  return `^${words.join(' ')}`;
}

/** Escapes a text for such an expression. */
function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Checks results of a regular expression again, as dialects differ. */
async function* matching<R extends Pick<Reservation, 'comment'>>(
  found: AsyncIterable<R>,
  { marks }: ReservationFilter,
): AsyncGenerator<R> {
  for await (const one of found) if (marks === undefined || beginsAs(one.comment, marks)) yield one;
}
