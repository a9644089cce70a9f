/**
 * The requests by which addresses are given and released, typed: searches, creates with extensible attributes, deletes. One method is
 * one kind of request; what people ask of a grid besides is in inspection.ts. All throw GridError as the session does, and `bad-answer` for an answer in a form that WAPI does not have.
 */
import type { Cidr } from '../address.ts';
import { type Attributes, type ExtensibleAttributes, ofNetwork, reservedAt } from '../attributes.ts';
import { type GridError, hasReason } from '../errors.ts';
import { gatewayMark } from '../mark.ts';
import { AttributedRequests, listAttributeDefinitions } from './attributed-requests.ts';
import { beginsWith, findExactly, searchPages } from './paged-search.ts';
import { referenceTo, typeOf } from './reference.ts';
import type { Confirmation, Query } from './request.ts';
import * as objects from './schemas.ts';
import type { Session } from './session.ts';
import type { Sighted, SightedObject } from './sighting.ts';

export type SightedAddress = Sighted<objects.FixedAddress>;

/** What the reservation of an address that no container must have is called. */
export const gatewayName = 'gateway';

/** What is said of a reservation beside its address. */
interface Description {
  readonly comment: string;
  readonly name: string;
  readonly attributes: Attributes;
}

/** Where the address of a reservation comes from: it is this one, or the next free one of a network. */
export type AddressSource = { readonly address: string } | { readonly nextOf: Cidr };

export interface NewReservation extends Description {
  readonly source: AddressSource;
  readonly view: string;
}

interface NewNetwork {
  /** It is this one, or the next free one of so many bits in a network container. */
  readonly source: { readonly cidr: Cidr } | { readonly nextOf: Cidr; readonly prefixLength: number };
  readonly view: string;
  readonly comment: string;
  /** What the network is called. */
  readonly name: string;
}

/** What was made on the grid. */
interface Made {
  readonly kind: 'network view' | 'network container' | 'network' | 'gateway';
  readonly name: string;
  readonly view: string;
}

export class WapiClient {
  readonly #session: Session;
  readonly #attributed: AttributedRequests;
  readonly #onMade: (made: Made) => void;

  /** @param onMade told of everything that is made to last, whoever comes and goes */
  constructor(session: Session, attributes: ExtensibleAttributes, onMade: (made: Made) => void = () => {}) {
    this.#session = session;
    this.#attributed = new AttributedRequests(session, attributes);
    this.#onMade = onMade;
  }

  /**
   * Finds fixed addresses by exact criteria; none when the view is not there.
   * @throws GridError `unconfirmed` if what is to be confirmed cannot be
   */
  findFixedAddresses(query: Query, signal: AbortSignal, confirm?: Confirmation): Promise<SightedAddress[]> {
    return findExactly(this.#session, { ...objects.fixedAddress, query, confirm }, signal);
  }

  /**
   * Finds fixed addresses by exact criteria; `unconfirmed` says why, if no host that is known to accept writes could be asked.
   */
  async lookUpFixedAddresses(
    query: Query,
    signal: AbortSignal,
  ): Promise<{ found: SightedAddress[]; unconfirmed?: GridError }> {
    try {
      return { found: await this.findFixedAddresses(query, signal, 'answer') };
    } catch (error) {
      if (!hasReason(error, 'unconfirmed')) throw error;
      return { found: await this.findFixedAddresses(query, signal), unconfirmed: error };
    }
  }

  /** Yields all fixed addresses that match, however many; page by page. */
  listFixedAddresses(query: Query, signal: AbortSignal, confirm?: Confirmation): AsyncGenerator<SightedAddress> {
    return searchPages(this.#session, { ...objects.fixedAddress, query, confirm }, signal);
  }

  /** Finds networks by exact criteria; none when the view is not there. */
  findNetworks(query: Query, signal: AbortSignal, confirm?: Confirmation): Promise<Sighted<objects.Network>[]> {
    return findExactly(this.#session, { ...objects.network, query, confirm }, signal);
  }

  /** Finds the networks that carry a name in their extensible attribute; none where the grid does not define it. */
  findNetworksNamed(name: string, view: string, signal: AbortSignal): Promise<Sighted<objects.Network>[]> {
    const query = { network_view: view };
    return this.#attributed.find({ ...objects.network, attributes: ofNetwork(name), query }, signal);
  }

  /**
   * Finds the fixed addresses that carry these attributes, by exact criteria; none where the grid does not define them.
   * @throws GridError `unconfirmed` if only a host could be asked that may lag behind
   */
  findAttributed(
    attributes: Attributes,
    query: Query,
    signal: AbortSignal,
  ): Promise<Sighted<objects.AttributedAddress>[]> {
    return this.#attributed.find({ ...objects.attributedAddress, attributes, query, confirm: 'answer' }, signal);
  }

  /** Yields all fixed addresses that carry these attributes, however many; none where the grid does not define them. */
  listAttributed(
    attributes: Attributes,
    query: Query,
    signal: AbortSignal,
  ): AsyncGenerator<Sighted<objects.AttributedAddress>> {
    return this.#attributed.list({ ...objects.attributedAddress, attributes, query }, signal);
  }

  /**
   * Yields all fixed addresses whose comment begins with `prefix`, in all views, page by page.
   * @throws GridError `unconfirmed` if only a host could be asked that may lag behind
   */
  listMarked(prefix: string, signal: AbortSignal): AsyncGenerator<Sighted<objects.AttributedAddress>> {
    const query = { 'comment~': beginsWith(prefix) };
    return searchPages(this.#session, { ...objects.attributedAddress, query, confirm: 'answer' }, signal);
  }

  /** Yields the CIDRs of all networks that match, page by page. */
  async *listNetworks(query: Query, signal: AbortSignal): AsyncGenerator<string> {
    for await (const { network } of searchPages(this.#session, { ...objects.networkCidr, query }, signal))
      yield network;
  }

  /** Tells whether there is an object of a type that matches. */
  async exists(type: string, query: Query, signal: AbortSignal): Promise<boolean> {
    return (await findExactly(this.#session, { ...objects.anyOf(type, 'comment'), query }, signal)).length > 0;
  }

  /** Asks what the grid itself thinks of an address: `USED` also for what is no fixed address. Undefined if it will not say. */
  async addressStatus(address: string, view: string, signal: AbortSignal): Promise<string | undefined> {
    const query = { ip_address: address, network_view: view };
    try {
      return (await findExactly(this.#session, { ...objects.ipv4Address, query }, signal))[0]?.status;
    } catch (error) {
      // Users with restricted rights may not read this type; the create decides then.
      if (hasReason(error, 'permission', 'rejected')) return undefined;
      throw error;
    }
  }

  /** Learns which extensible attributes the grid defines. Spares creates that it would refuse; such refusals teach the same. */
  async learnAttributes(signal: AbortSignal): Promise<void> {
    this.#attributed.learn(await Array.fromAsync(listAttributeDefinitions(this.#session, signal)));
  }

  /**
   * Reserves an address: a reservation is a fixed address with the zero MAC, matched by RESERVED (NIOS 9.0 documentation,
   * "Configuring IPv4 Reservations").
   * @throws GridError `no-free-address`, `conflict`, `missing` for a network that is not there
   */
  createReservation(reservation: NewReservation, signal: AbortSignal): Promise<objects.FixedAddress> {
    const { source, view, comment, name, attributes } = reservation;
    const ipv4addr = 'address' in source ? source.address : `func:nextavailableip:${source.nextOf.text},${view}`;
    const what = { ipv4addr, network_view: view, match_client: 'RESERVED', mac: objects.zeroMac };
    const body = { ...what, comment, name };
    return this.#attributed.create(
      objects.fixedAddress,
      { body, attributes: { ...attributes, ...reservedAt(this.#session.clock.wall()) } },
      signal,
    );
  }

  /** Reserves an address of a network that no container must have. */
  async createGateway(
    { address, view, network }: { readonly address: string; readonly view: string; readonly network: string },
    signal: AbortSignal,
  ): Promise<void> {
    const described = { comment: gatewayMark(network), name: gatewayName, attributes: ofNetwork(network) };
    await this.createReservation({ source: { address }, view, ...described }, signal);
    this.#onMade({ kind: 'gateway', name: address, view });
  }

  /** Creates a network. @throws GridError `no-free-network`, `conflict`, `missing` for a container that is not there */
  async createNetwork({ source, view, comment, name }: NewNetwork, signal: AbortSignal): Promise<objects.Network> {
    const network =
      'cidr' in source
        ? source.cidr.text
        : `func:nextavailablenetwork:${source.nextOf.text},${view},${source.prefixLength}`;
    const body = { network, network_view: view, comment };
    const made = await this.#attributed.create(objects.network, { body, attributes: ofNetwork(name) }, signal);
    this.#onMade({ kind: 'network', name: made.network, view });
    return made;
  }

  async createContainer(network: string, view: string, signal: AbortSignal): Promise<void> {
    const body = { network, network_view: view, comment: 'infoblox-cni network container' };
    await this.#attributed.create(objects.anyOf('networkcontainer', 'network'), { body }, signal);
    this.#onMade({ kind: 'network container', name: network, view });
  }

  async createView(name: string, signal: AbortSignal): Promise<void> {
    const body = { name, comment: 'infoblox-cni' };
    await this.#attributed.create(objects.anyOf('networkview', 'name'), { body }, signal);
    this.#onMade({ kind: 'network view', name, view: name });
  }

  /**
   * Tells whether a network has a free address. Only looks: what is free is decided by the grid, ranges and exclusions
   * included (NIOS 9.0 documentation, "Configuring the Next Available Network or IP Address").
   */
  async hasFreeAddress(networkRef: string, signal: AbortSignal): Promise<boolean> {
    const what = 'next_available_ip';
    const request = { method: 'POST', path: networkRef, query: { _function: what }, body: { num: 1 } } as const;
    try {
      const answer = await this.#session.request(request, signal);
      return objects.parseAnswer(objects.NextAddresses, answer, { what }).ips.length > 0;
    } catch (error) {
      if (hasReason(error, 'no-free-address')) return false;
      throw error;
    }
  }

  /** @throws GridError as `Session.write` does */
  async setComment(object: SightedObject, comment: string, signal: AbortSignal): Promise<void> {
    await this.#session.write(object, { method: 'PUT', body: { comment } }, signal);
  }

  /** Makes an object somebody else's: replaces comment, name and all extensible attributes. @throws GridError as `Session.write` does */
  async relabel(object: SightedObject, { comment, name, attributes }: Description, signal: AbortSignal): Promise<void> {
    const change = {
      body: { comment, name },
      attributes: { ...attributes, ...reservedAt(this.#session.clock.wall()) },
    };
    const answer = await this.#attributed.change(object, change, signal);
    objects.parseAnswer(referenceTo(typeOf(object.ref)), answer, { what: 'PUT', outcome: 'unknown' });
  }

  /**
   * Deletes an object; one that is gone already is fine, if a host says so that is known to accept writes.
   * @throws GridError as `Session.write` does, and `bad-answer` for a success that is not WAPI's, the reference: something else may
   * have answered
   */
  async remove(object: SightedObject, signal: AbortSignal): Promise<void> {
    try {
      const answer = await this.#session.write(object, { method: 'DELETE' }, signal);
      objects.parseAnswer(referenceTo(typeOf(object.ref)), answer, { what: 'DELETE', outcome: 'unknown' });
    } catch (error) {
      if (!hasReason(error, 'missing')) throw error;
    }
  }
}
