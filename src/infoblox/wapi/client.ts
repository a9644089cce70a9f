/**
 * The requests that the address policy needs, typed: searches, creates with labels, deletes. One method is one kind of
 * request; no policy and no memory here but which labels the grid takes.
 */
import type { GenericSchema, InferOutput } from 'valibot';
import type { Attributes, ExtensibleAttributes } from '../attributes.ts';
import { type GridError, hasReason } from '../errors.ts';
import { exactSearch, listSearch, type Searches, searchPages } from './paged-search.ts';
import { referenceTo, typeOf } from './reference.ts';
import * as objects from './schemas.ts';
import type { Confirmation, Fields, Session } from './session.ts';

/** What the reservation of an address that no container must have is called. */
export const gatewayName = 'gateway';

/** What was made on the grid. */
export interface Made {
  readonly kind: 'network view' | 'network container' | 'network' | 'gateway';
  readonly name: string;
  readonly view: string;
}

/** A search expression for texts that begin with `prefix`: the part of the syntax that every dialect has. */
export function beginsWith(prefix: string): string {
  return `^${prefix.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`;
}

export class WapiClient {
  readonly #session: Session;
  readonly #labels: ExtensibleAttributes;
  readonly #onMade: (made: Made) => void;

  /** @param onMade told of everything that is made to last, whoever comes and goes */
  constructor(session: Session, labels: ExtensibleAttributes, onMade: (made: Made) => void = () => {}) {
    this.#session = session;
    this.#labels = labels;
    this.#onMade = onMade;
  }

  /**
   * Fixed addresses by exact criteria; empty too when the view is not there (WAPI: 404 for an unknown view).
   * @throws GridError `unconfirmed` if what is to be confirmed cannot be
   */
  findFixedAddresses(
    query: Record<string, string>,
    signal: AbortSignal,
    confirm?: Confirmation,
  ): Promise<objects.FixedAddress[]> {
    const session = this.#searches(confirm);
    return this.#find('fixedaddress', objects.FixedAddress, query, objects.fixedAddressFields, signal, session);
  }

  /**
   * Fixed addresses by exact criteria; `unconfirmed` says why, if no host that is known to accept writes could be asked.
   */
  async lookUpFixedAddresses(
    query: Record<string, string>,
    signal: AbortSignal,
  ): Promise<{ found: objects.FixedAddress[]; unconfirmed?: GridError }> {
    try {
      return { found: await this.findFixedAddresses(query, signal, 'answer') };
    } catch (error) {
      if (!hasReason(error, 'unconfirmed')) throw error;
      return { found: await this.findFixedAddresses(query, signal), unconfirmed: error };
    }
  }

  /** All fixed addresses that match, however many; page by page. */
  async *listFixedAddresses(
    query: Record<string, string>,
    signal: AbortSignal,
    confirm?: Confirmation,
  ): AsyncGenerator<objects.FixedAddress> {
    const session = this.#searches(confirm);
    yield* this.#list('fixedaddress', objects.FixedAddress, query, objects.fixedAddressFields, signal, session);
  }

  findNetworks(query: Record<string, string>, signal: AbortSignal, confirm?: Confirmation): Promise<objects.Network[]> {
    const session = this.#searches(confirm);
    return this.#find('network', objects.Network, query, objects.networkFields, signal, session);
  }

  /** CIDRs of all networks that match, page by page; without their attributes, which may be many. */
  async *listNetworks(query: Record<string, string>, signal: AbortSignal): AsyncGenerator<string> {
    for await (const { network } of this.#list('network', objects.Network, query, 'network', signal)) yield network;
  }

  /** References of objects of a type, to see whether one exists. */
  async findReferences(type: string, query: Record<string, string>, signal: AbortSignal): Promise<string[]> {
    const found = await this.#find(type, objects.referenced(type), query, 'comment', signal);
    return found.map((object) => object._ref);
  }

  /** What the grid itself thinks of an address: `USED` also for what is no fixed address. Undefined if it will not say. */
  async addressStatus(address: string, view: string, signal: AbortSignal): Promise<string | undefined> {
    const query = { ip_address: address, network_view: view };
    try {
      const found = await this.#find('ipv4address', objects.IPv4Address, query, 'status,types', signal);
      return found[0]?.status;
    } catch (error) {
      // Users with restricted rights may not read this type; the create decides then.
      if (hasReason(error, 'permission', 'rejected')) return undefined;
      throw error;
    }
  }

  /** How many host addresses of a network the grid calls used, by whatever object. */
  async usedAddresses(network: string, view: string, signal: AbortSignal): Promise<number> {
    const query = { network, network_view: view, status: 'USED' };
    let used = 0;
    for await (const { types } of this.#list('ipv4address', objects.IPv4Address, query, 'status,types', signal)) {
      if (!types.includes('NETWORK') && !types.includes('BROADCAST')) used += 1;
    }
    return used;
  }

  /** Names of the extensible attributes that the grid defines. */
  async attributeNames(signal: AbortSignal): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of this.#list(
      'extensibleattributedef',
      objects.AttributeDefinition,
      {},
      'name',
      signal,
    )) {
      names.push(name);
    }
    return names;
  }

  /** Reserves an address: WAPI knows a reservation as a fixed address with the zero MAC, matched by RESERVED. */
  createReservation(
    address: string,
    view: string,
    comment: string,
    name: string,
    labels: () => Attributes,
    signal: AbortSignal,
  ): Promise<objects.FixedAddress> {
    const body = {
      ipv4addr: address,
      network_view: view,
      match_client: 'RESERVED',
      mac: objects.zeroMac,
      comment,
      name,
    };
    return this.#create('fixedaddress', objects.FixedAddress, body, objects.fixedAddressFields, labels, signal);
  }

  /** Reserves an address that no container must have. */
  async createGateway(
    address: string,
    view: string,
    comment: string,
    labels: () => Attributes,
    signal: AbortSignal,
  ): Promise<void> {
    await this.createReservation(address, view, comment, gatewayName, labels, signal);
    this.#onMade({ kind: 'gateway', name: address, view });
  }

  async createNetwork(
    network: string,
    view: string,
    comment: string,
    labels: () => Attributes,
    signal: AbortSignal,
  ): Promise<objects.Network> {
    const body = { network, network_view: view, comment };
    const made = await this.#create('network', objects.Network, body, objects.networkFields, labels, signal);
    this.#onMade({ kind: 'network', name: made.network, view });
    return made;
  }

  async createContainer(network: string, view: string, signal: AbortSignal): Promise<void> {
    const body = { network, network_view: view, comment: 'infoblox-cni network container' };
    const labels = () => this.#labels.forView();
    await this.#create('networkcontainer', objects.referenced('networkcontainer'), body, 'network', labels, signal);
    this.#onMade({ kind: 'network container', name: network, view });
  }

  async createView(name: string, signal: AbortSignal): Promise<void> {
    const body = { name, comment: 'infoblox-cni' };
    const labels = () => this.#labels.forView();
    await this.#create('networkview', objects.referenced('networkview'), body, 'name', labels, signal);
    this.#onMade({ kind: 'network view', name, view: name });
  }

  /** Whether a network has a free address. Only looks. */
  async hasFreeAddress(networkRef: string, signal: AbortSignal): Promise<boolean> {
    try {
      const answer = await this.#session.call(networkRef, 'next_available_ip', { num: 1 }, signal);
      return objects.parseAnswer(objects.NextAddresses, answer, 'next_available_ip').ips.length > 0;
    } catch (error) {
      if (hasReason(error, 'no-free-address')) return false;
      throw error;
    }
  }

  async setComment(ref: string, comment: string, signal: AbortSignal): Promise<void> {
    await this.#session.update(ref, { comment }, signal);
  }

  /** Makes an object somebody else's: comment, name and all labels. */
  async relabel(
    ref: string,
    { comment, name, labels }: { readonly comment: string; readonly name: string; readonly labels: () => Attributes },
    signal: AbortSignal,
  ): Promise<void> {
    const send = (extattrs: Fields) => this.#session.update(ref, { comment, name, ...extattrs }, signal);
    objects.parseAnswer(referenceTo(typeOf(ref)), await this.#withLabels(labels, send), 'PUT', 'unknown');
  }

  /**
   * Deletes an object; one that is gone already is fine.
   * @throws GridError `bad-answer` for a success that is not WAPI's, the reference: something else may have answered
   */
  async remove(ref: string, signal: AbortSignal): Promise<void> {
    try {
      const answer = await this.#session.remove(ref, signal);
      objects.parseAnswer(referenceTo(typeOf(ref)), answer, 'DELETE', 'unknown');
    } catch (error) {
      if (!hasReason(error, 'missing')) throw error;
    }
  }

  #searches(confirm: Confirmation | undefined): Searches {
    return confirm === undefined ? this.#session : this.#session.confirming(confirm);
  }

  async #find<const S extends GenericSchema>(
    type: string,
    schema: S,
    query: Record<string, string>,
    fields: string,
    signal: AbortSignal,
    session: Searches = this.#session,
  ): Promise<InferOutput<S>[]> {
    const found = [];
    const search = { type, schema, query, fields, limits: exactSearch };
    for await (const object of searchPages(session, search, signal)) found.push(object);
    return found;
  }

  #list<const S extends GenericSchema>(
    type: string,
    schema: S,
    query: Record<string, string>,
    fields: string,
    signal: AbortSignal,
    session: Searches = this.#session,
  ): AsyncGenerator<InferOutput<S>> {
    return searchPages(session, { type, schema, query, fields, limits: listSearch }, signal);
  }

  async #create<const S extends GenericSchema>(
    type: string,
    schema: S,
    body: Fields,
    fields: string,
    labels: () => Attributes,
    signal: AbortSignal,
  ) {
    const send = (extattrs: Fields) => this.#session.create(type, { ...body, ...extattrs }, fields, signal);
    return objects.parseAnswer(schema, await this.#withLabels(labels, send), `POST ${type}`, 'unknown');
  }

  /** Sends with labels; an attribute that the grid refuses is left out from then on (nothing was committed). */
  async #withLabels<T>(labels: () => Attributes, send: (extattrs: Fields) => Promise<T>): Promise<T> {
    for (;;) {
      const extattrs = labels();
      try {
        return await send(Object.keys(extattrs).length === 0 ? {} : { extattrs });
      } catch (error) {
        if (!this.#forgetLabel(error, extattrs)) throw error;
      }
    }
  }

  #forgetLabel(error: unknown, sent: Attributes): error is GridError {
    if (!hasReason(error, 'unknown-attribute')) return false;
    const name = error.attribute;
    if (name === undefined || !Object.hasOwn(sent, name)) return false;
    this.#labels.refuse(name);
    return true;
  }
}
