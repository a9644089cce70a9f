/** The grid over WAPI: each verb of the port is one kind of request, or a few. */
import { type Cidr, compareAddresses, type Interval, intersect, overlaps, spanOf } from '../address.ts';
import { type Attributes, ofNetwork, reservedAt } from '../attributes.ts';
import { type GridError, hasReason } from '../errors.ts';
import type {
  AddressSource,
  DescribedReservation,
  Description,
  Grid,
  Network,
  NetworkPlace,
  NetworkSource,
  Occupant,
  Range,
  RangeFilter,
  Reservation,
  ReservationFilter,
  Sighted,
  Surroundings,
} from '../grid.ts';
import { beginsAs, firstWords, type MarkFilter, networkMark } from '../mark.ts';
import { AttributedRequests, type ExtensibleAttributes } from './attributes.ts';
import * as objects from './objects.ts';
import { type Query, type Question, referenceTo, typeOf } from './request.ts';
import { findExactly, searchPages } from './search.ts';
import type { Session } from './session.ts';

export class WapiGrid implements Grid {
  readonly #session: Session;
  readonly #attributed: AttributedRequests;

  constructor(session: Session, attributes: ExtensibleAttributes) {
    this.#session = session;
    this.#attributed = new AttributedRequests(session, attributes);
  }

  /** Learns which extensible attributes the grid defines. Spares creates that it would refuse; such refusals teach the same. */
  async learnAttributes(signal: AbortSignal): Promise<void> {
    const defined = searchPages(this.#session, { ...objects.attributeDefinition, query: {} }, signal);
    this.#attributed.learn(await Array.fromAsync(defined));
  }

  async find(
    mark: string,
    view: string | undefined,
    signal: AbortSignal,
  ): Promise<{ found: Reservation[]; unconfirmed?: GridError }> {
    const search = { ...objects.fixedAddress, query: { comment: mark, ...scope({ view }) } };
    const find = async (confirm: boolean) => {
      const found = await findExactly(this.#session, { ...search, confirm }, signal);
      return found.filter(({ comment }) => comment === mark);
    };
    try {
      return { found: await find(true) };
    } catch (error) {
      if (!hasReason(error, 'unconfirmed')) throw error;
      return { found: await find(false), unconfirmed: error };
    }
  }

  at(address: string, view: string | undefined, signal: AbortSignal): Promise<Reservation[]> {
    const query = { ipv4addr: address, ...scope({ view }) };
    return findExactly(this.#session, { ...objects.fixedAddress, query }, signal);
  }

  list(filter: ReservationFilter, signal: AbortSignal): AsyncIterable<Reservation> {
    const { confirm } = filter;
    const found = searchPages(this.#session, { ...objects.fixedAddress, query: scope(filter), confirm }, signal);
    return matching(found, filter);
  }

  listDescribed(
    filter: ReservationFilter & { readonly attributes?: Attributes },
    signal: AbortSignal,
  ): AsyncIterable<DescribedReservation> {
    const { confirm, attributes = {} } = filter;
    const search = { ...objects.describedAddress, query: scope(filter), confirm, attributes };
    return matching(this.#attributed.list(search, signal), filter);
  }

  async isUsed(address: string, view: string, signal: AbortSignal): Promise<boolean | undefined> {
    const query = { ip_address: address, network_view: view };
    try {
      const found = await findExactly(this.#session, { ...objects.occupant, query }, signal);
      return found.length === 0 ? undefined : found[0] !== undefined;
    } catch (error) {
      // Users with restricted rights may not read this type; the create decides then.
      if (hasReason(error, 'permission', 'rejected')) return undefined;
      throw error;
    }
  }

  /** A reservation is a fixed address with the zero MAC, matched by RESERVED (NIOS 9.0 documentation, "Configuring IPv4 Reservations"). */
  async reserve(
    { source, comment, name, attributes }: Description & { readonly source: AddressSource },
    signal: AbortSignal,
  ): Promise<Pick<Reservation, 'address' | 'view'>> {
    const { view } = source;
    const ipv4addr = 'address' in source ? source.address : `func:nextavailableip:${spanOf(source.nextOf)},${view}`;
    const what = { ipv4addr, network_view: view, match_client: 'RESERVED', mac: objects.zeroMac };
    const change = {
      body: { ...what, comment, name },
      attributes: { ...attributes, ...reservedAt(this.#session.clock.wall()) },
    };
    const made = await this.#attributed.create(objects.fixedAddress, change, signal);
    return { address: made.ipv4addr, view: made.network_view };
  }

  async ranges(filter: RangeFilter, signal: AbortSignal): Promise<Range[]> {
    const { mark, touching, confirm } = filter;
    const query = { ...scope(filter), ...(mark !== undefined && { comment: mark }) };
    const found = searchPages(this.#session, { ...objects.range, query, confirm }, signal);
    const ranges = await Array.fromAsync(matching(found, filter));
    return ranges.filter((one) => {
      return (mark === undefined || one.comment === mark) && (touching === undefined || intersect(one, touching));
    });
  }

  async createRange(
    { first, last, network, view, comment, name, attributes }: Parameters<Grid['createRange']>[0],
    signal: AbortSignal,
  ): Promise<void> {
    const where = { start_addr: first, end_addr: last, network: network.text, network_view: view };
    const body = { ...where, server_association_type: objects.unserved, comment, name };
    await this.#attributed.create(objects.range, { body, attributes }, signal);
  }

  async occupants(
    { first, last }: Interval,
    { network, view, confirm }: Parameters<Grid['occupants']>[1],
    signal: AbortSignal,
  ): Promise<Occupant[]> {
    const query = { 'ip_address>': first, 'ip_address<': last, ...scope({ network, view }) };
    const found = await Array.fromAsync(searchPages(this.#session, { ...objects.occupant, query, confirm }, signal));
    return found.filter((one) => one !== undefined).sort((one, other) => compareAddresses(one.address, other.address));
  }

  async relabel(
    { seen }: Sighted,
    { comment, name, attributes }: Pick<Description, 'comment'> & Partial<Description>,
    signal: AbortSignal,
  ): Promise<void> {
    const body = { comment, ...(name === undefined ? {} : { name }) };
    const change = { body, attributes: attributes && { ...attributes, ...reservedAt(this.#session.clock.wall()) } };
    const answer = await this.#attributed.change(seen, change, signal);
    objects.parseAnswer(referenceTo(typeOf(seen.object)), answer, { what: 'PUT', outcome: 'unknown' });
  }

  /** A success that is not WAPI's, the reference, is none: something else may have answered. */
  async remove({ seen }: Sighted, signal: AbortSignal): Promise<void> {
    try {
      const answer = await this.#session.write(seen, { method: 'DELETE' }, signal);
      objects.parseAnswer(referenceTo(typeOf(seen.object)), answer, { what: 'DELETE', outcome: 'unknown' });
    } catch (error) {
      if (!hasReason(error, 'missing')) throw error;
    }
  }

  async networkAt(where: Parameters<Grid['networkAt']>[0], signal: AbortSignal): Promise<Network | undefined> {
    const search = { ...objects.network, query: placeQuery(where), confirm: where.confirm };
    return (await findExactly(this.#session, search, signal))[0];
  }

  async utilization(place: NetworkPlace, signal: AbortSignal) {
    const search = { ...objects.networkUtilization, query: placeQuery(place) };
    return (await findExactly(this.#session, search, signal))[0];
  }

  async networksNamed(name: string, view: string, signal: AbortSignal): Promise<Network[]> {
    const byComment = { 'comment~': `^${literal(networkMark(name))}`, network_view: view };
    const byAttribute = { ...objects.network, query: { network_view: view }, attributes: ofNetwork(name) };
    const found = await Promise.all([
      findExactly(this.#session, { ...objects.network, query: byComment }, signal),
      Array.fromAsync(this.#attributed.list(byAttribute, signal)),
    ]);
    return found.flat();
  }

  async networksOverlapping(cidr: Cidr, view: string, signal: AbortSignal): Promise<Cidr[]> {
    // All octets that the prefix fixes: an expression that every dialect has.
    const octets = cidr.base.split('.').slice(0, Math.floor(cidr.prefix / 8));
    const inside = octets.length === 0 ? {} : { 'network~': `^${literal(octets.join('.'))}\\.` };
    const lists = [{ contains_address: cidr.base }, inside].map(async (query) => {
      const search = { ...objects.networkCidr, query: { ...query, network_view: view } };
      return Array.fromAsync(searchPages(this.#session, search, signal));
    });
    const others = (await Promise.all(lists))
      .flat()
      .filter((other) => other.text !== cidr.text && overlaps(other, cidr));
    return [...new Map(others.map((other) => [other.text, other])).values()];
  }

  async createNetwork(
    { source, name, comment }: { readonly source: NetworkSource; readonly name: string; readonly comment: string },
    signal: AbortSignal,
  ): Promise<Cidr> {
    const { view } = source;
    const network =
      'cidr' in source
        ? source.cidr.text
        : `func:nextavailablenetwork:${source.nextOf.text},${view},${source.prefixLength}`;
    const body = { network, network_view: view, comment };
    const made = await this.#attributed.create(objects.networkCidr, { body, attributes: ofNetwork(name) }, signal);
    return objects.cidrOf(made);
  }

  /**
   * What is free is decided by the grid, ranges and exclusions included (NIOS 9.0 documentation, "Configuring the Next Available Network
   * or IP Address").
   */
  async hasRoom(source: Parameters<Grid['hasRoom']>[0], signal: AbortSignal): Promise<boolean | undefined> {
    const { view, nextOf } = source;
    const isOfNetworks = 'prefixLength' in source;
    const isOfRange = 'first' in nextOf;
    const type = isOfNetworks ? 'networkcontainer' : isOfRange ? 'range' : 'network';
    const place = isOfRange ? { start_addr: nextOf.first, end_addr: nextOf.last } : { network: nextOf.text };
    const query = { ...place, network_view: view };
    const [path] = await findExactly(this.#session, { ...objects.anyOf(type, 'comment'), query }, signal);
    if (path === undefined) return undefined;
    const what = isOfNetworks ? 'next_available_network' : 'next_available_ip';
    const body = { num: 1, ...(isOfNetworks && { cidr: source.prefixLength }) };
    const request: Question = { method: 'POST', path, query: { _function: what }, body };
    try {
      const answer = await this.#session.request(request, signal);
      const next = isOfNetworks
        ? objects.parseAnswer(objects.NextNetworks, answer, { what }).networks
        : objects.parseAnswer(objects.NextAddresses, answer, { what }).ips;
      return next.length > 0;
    } catch (error) {
      if (hasReason(error, 'no-free-address', 'no-free-network')) return false;
      throw error;
    }
  }

  async exists({ view, container }: Surroundings, signal: AbortSignal): Promise<boolean> {
    const search =
      container === undefined
        ? { ...objects.anyOf('networkview', 'comment'), query: { name: view } }
        : { ...objects.anyOf('networkcontainer', 'comment'), query: { network: container.text, network_view: view } };
    return (await findExactly(this.#session, search, signal)).length > 0;
  }

  async create({ view, container }: Surroundings, signal: AbortSignal): Promise<void> {
    if (container === undefined) {
      const body = { name: view, comment: 'infoblox-cni' };
      await this.#attributed.create(objects.anyOf('networkview', 'name'), { body }, signal);
    } else {
      const body = { network: container.text, network_view: view, comment: 'infoblox-cni network container' };
      await this.#attributed.create(objects.anyOf('networkcontainer', 'network'), { body }, signal);
    }
  }
}

function placeQuery(place: NetworkPlace): Query {
  const where = 'cidr' in place ? { network: place.cidr.text } : { contains_address: place.address };
  return { ...where, network_view: place.view };
}

/** What narrows a search of fixed addresses or ranges. */
function scope({ marks, network, view }: ReservationFilter): Query {
  return {
    ...(marks && { 'comment~': markExpression(marks) }),
    ...(network && { network: network.text }),
    ...(view !== undefined && { network_view: view }),
  };
}

/** Writes a search expression for comments that begin as marks do, of what every dialect of regular expressions has. */
function markExpression(marks: MarkFilter): string {
  const words = firstWords(marks).map((word) => (word.endsWith('=') ? `${literal(word)}[^ ]*` : literal(word)));
  return `^${words.join(' ')}`;
}

/** Writes a text as it stands in such an expression. */
function literal(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Dialects differ: what an expression has found is compared once more. */
async function* matching<R extends Pick<Reservation, 'comment'>>(
  found: AsyncIterable<R>,
  { marks }: ReservationFilter,
): AsyncGenerator<R> {
  for await (const one of found) if (marks === undefined || beginsAs(one.comment, marks)) yield one;
}
