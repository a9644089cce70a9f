/**
 * Gives addresses to attachments and takes them back. Three promises: no address is held by two live attachments; what
 * a caller was given stays reserved until it is released; what nobody holds goes back to the grid, now or later.
 */
import { GridError, hasReason } from './errors.ts';
import type { Exhaustion } from './exhaustion.ts';
import { type Attachment, attachmentComment, type Origin, shortNetworkName } from './identity.ts';
import { type Cidr, contains, isNetworkOrBroadcast, parseAddress } from './ipv4.ts';
import type { Labels } from './labels.ts';
import type { Namespaces } from './namespaces.ts';
import type { Networks, ReadyNetwork } from './networks.ts';
import type { NetworkPolicy } from './policy.ts';
import type { Reservation, Reservations } from './reservations.ts';
import type { Row, Store } from './store.ts';
import type { Turns } from './turns.ts';

/**
 * Milliseconds after a lost answer at which the grid is looked at again: soon, for a create that was merely slow, and
 * once more when even a grid that was stuck must have dropped it.
 */
export interface Settling {
  readonly first: number;
  readonly last: number;
}

export const defaultSettling: Settling = { first: 10_000, last: 120_000 };

/** When to look next, milliseconds since 1970, for an answer that was lost `settling.last` before `suspectUntil`. */
export function nextLook(settling: Settling, suspectUntil: number, now: number): number {
  const first = suspectUntil - settling.last + settling.first;
  return now < first ? first : suspectUntil;
}

export interface AddRequest {
  readonly attachment: Attachment;
  readonly policy: NetworkPolicy;
  /** This address and no other. */
  readonly requested?: string;
  /** Path of the container's network namespace. */
  readonly netns: string;
  /** What people call the container: a label. */
  readonly workload: string;
}

export interface Allocation {
  readonly address: string;
  readonly cidr: Cidr;
  readonly gateway?: string;
  /** The caller went away without the answer: if no other caller of the same ADD has it, the address goes back. */
  abandon(): Promise<void>;
}

interface Flight {
  readonly request: string;
  readonly controller: AbortController;
  readonly done: Promise<Given>;
  callers: number;
}

interface Given {
  readonly address: string;
  readonly network: ReadyNetwork;
  /** False if the attachment held the address before, so that an earlier caller may be living on it. */
  readonly created: boolean;
}

export interface IpamParts {
  readonly networks: Networks;
  readonly reservations: Reservations;
  readonly exhaustion: Exhaustion;
  readonly labels: Labels;
  readonly store: Store;
  readonly turns: Turns;
  readonly namespaces: Namespaces;
  readonly origin: Origin;
  readonly settling: Settling;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Told when something is owed, so that upkeep looks at the time again. */
  readonly onOwed: () => void;
  readonly log: { warn(message: string, details?: Record<string, unknown>): void };
}

export class Ipam {
  readonly #parts: IpamParts;
  readonly #flights = new Map<string, Flight>();
  /** The flight that last answered with the address which an attachment holds. */
  readonly #givers = new Map<string, Flight>();

  constructor(parts: IpamParts) {
    this.#parts = parts;
  }

  /**
   * Gives the attachment its address; the same one if it has one already. Callers that ask for the same at once share
   * one flight. When the last of them is gone, the flight ends and what it took goes back.
   * @param signal fires when the caller is gone or out of time
   */
  async add(request: AddRequest, signal: AbortSignal): Promise<Allocation> {
    const identity = attachmentComment(this.#parts.origin, request.attachment);
    const key = JSON.stringify([request.policy, request.requested]);
    let flight = this.#flights.get(identity);
    if (flight === undefined || flight.request !== key || flight.controller.signal.aborted) {
      flight = this.#launch(identity, key, request);
    }
    flight.callers += 1;
    const leave = async () => {
      flight.callers -= 1;
      if (flight.callers > 0) return;
      flight.controller.abort();
      await this.#giveBack(identity, flight);
    };
    const given = await waitFor(flight.done, signal).catch(async (error) => {
      if (signal.aborted) leave().catch((failure) => this.#warn('cannot give back', identity, failure));
      throw error;
    });
    return {
      address: given.address,
      cidr: given.network.cidr,
      ...(given.network.gateway === undefined ? {} : { gateway: given.network.gateway }),
      abandon: leave,
    };
  }

  /**
   * Takes the attachment's address back. Returns when that is done or durably owed; nothing to release is success.
   * @param view where to look if this daemon does not know the attachment
   * @param signal the time to try the grid at once
   * @throws GridError `state` if the release could be neither done nor remembered
   */
  async release(attachment: Attachment, view: string, signal: AbortSignal): Promise<'released' | 'owed'> {
    const identity = attachmentComment(this.#parts.origin, attachment);
    // A runtime that deletes has given up on an ADD that is still under way.
    this.#flights.get(identity)?.controller.abort();
    return this.#parts.turns.run(identity, async () => {
      this.#givers.delete(identity);
      const row = this.#parts.store.get(identity) ?? this.#newRow(identity, attachment.network, view);
      return this.#releaseOrOwe(row, signal);
    });
  }

  /**
   * Releases what an identity holds, if nobody needs it any more.
   * @param dead asked when the attachment's turn has come, right before the release: does it still look dead?
   */
  async retire(
    identity: string,
    view: string,
    dead: (row: Row | undefined) => boolean,
    signal: AbortSignal,
  ): Promise<'released' | 'owed' | 'kept'> {
    return this.#parts.turns.run(identity, async () => {
      const known = this.#parts.store.get(identity);
      if (!dead(known)) return 'kept';
      this.#givers.delete(identity);
      const network = / network=(\S+) /.exec(identity)?.[1] ?? '';
      return this.#releaseOrOwe(known ?? this.#newRow(identity, network, view), signal);
    });
  }

  /**
   * Whether the attachment still holds one of the addresses.
   * @throws GridError `reservation-lost` saying what the grid has instead
   */
  async check(attachment: Attachment, view: string, addresses: readonly string[], signal: AbortSignal): Promise<void> {
    const { reservations, store, origin } = this.#parts;
    const identity = attachmentComment(origin, attachment);
    const row = store.get(identity);
    const found = await reservations.find(identity, row?.view ?? view, signal);
    if (found.some((object) => addresses.includes(object.ipv4addr))) return;
    const other = found[0]?.ipv4addr;
    const held = other === undefined ? await this.#whatHappened(row, addresses, view, signal) : `it holds ${other}`;
    const name = `${attachment.containerId}/${attachment.ifName}`;
    throw new GridError(
      'reservation-lost',
      `${name} has lost its reservation of ${addresses.join(', ')} in network ${attachment.network}: ${held}`,
      { cure: 'restart the container to give it an address of its own' },
    );
  }

  async #whatHappened(row: Row | undefined, addresses: readonly string[], view: string, signal: AbortSignal) {
    const address = row?.address ?? addresses[0];
    if (address === undefined) return 'no address is known';
    const [holder] = await this.#parts.reservations.at(address, row?.view ?? view, signal);
    if (holder === undefined) return `the grid has no reservation of ${address} any more`;
    return `${address} was changed in the grid and is now "${holder.comment}"`;
  }

  #launch(identity: string, request: string, add: AddRequest): Flight {
    const controller = new AbortController();
    const done = this.#parts.turns.run(identity, () => this.#give(identity, add, controller.signal));
    const flight: Flight = { request, controller, done, callers: 0 };
    this.#flights.set(identity, flight);
    const land = () => {
      if (this.#flights.get(identity) === flight) this.#flights.delete(identity);
    };
    done.then(() => {
      this.#givers.set(identity, flight);
      land();
    }, land);
    return flight;
  }

  async #giveBack(identity: string, flight: Flight): Promise<void> {
    const given = await flight.done.catch(() => undefined);
    if (given === undefined || !given.created) return;
    await this.#parts.turns.run(identity, async () => {
      const row = this.#parts.store.get(identity);
      // A later ADD may have answered with the same address by now: then somebody lives on it.
      if (row?.state !== 'held' || this.#givers.get(identity) !== flight) return;
      this.#givers.delete(identity);
      await this.#releaseOrOwe(row, AbortSignal.timeout(5_000));
    });
  }

  async #give(identity: string, request: AddRequest, signal: AbortSignal): Promise<Given> {
    const { store, networks, reservations, namespaces, now } = this.#parts;
    const before = store.get(identity);
    if (before?.state === 'held') {
      const given = await this.#giveAgain(before, request, signal);
      if (given !== undefined) return given;
    } else if (before !== undefined && before.view !== request.policy.view) {
      await reservations.release(identity, before.view, signal);
    }
    const look = namespaces.look(request.netns);
    const row: Row = {
      ...this.#newRow(identity, request.attachment.network, request.policy.view),
      suspectUntil: before?.suspectUntil ?? null,
      netns: request.netns,
      netnsId: look.kind === 'there' ? look.id : null,
      bootId: namespaces.bootId,
    };
    store.put(row);
    // Of an attachment that is new to a state that is whole, the grid can hold nothing: one request is enough.
    let maybeOnGrid = before !== undefined || store.fact('adopted') === undefined;
    try {
      const network = await networks.ensure(request.policy, signal);
      const found = maybeOnGrid ? await reservations.find(identity, network.view, signal) : [];
      const usable = found.find((object) => fits(object.ipv4addr, network, request.requested));
      if (found.length > 0 && usable === undefined) await reservations.release(identity, network.view, signal);
      maybeOnGrid = usable !== undefined;
      const reservation = usable
        ? { address: usable.ipv4addr, suspect: found.length > 1 }
        : await this.#reserve(identity, network, request, signal);
      maybeOnGrid = true;
      const suspectUntil = reservation.suspect ? now() + this.#parts.settling.last : row.suspectUntil;
      const dueAt = suspectUntil === null ? null : nextLook(this.#parts.settling, suspectUntil, now());
      store.put({ ...row, state: 'held', address: reservation.address, suspectUntil, dueAt });
      if (dueAt !== null) this.#parts.onOwed();
      return { address: reservation.address, network, created: true };
    } catch (error) {
      const unknown = error instanceof GridError && error.outcome === 'unknown';
      if (maybeOnGrid || unknown || row.suspectUntil !== null) {
        const suspectUntil = unknown ? now() + this.#parts.settling.last : row.suspectUntil;
        await this.#oweOrRelease({ ...row, suspectUntil });
      } else store.remove(identity);
      throw error;
    }
  }

  /** ADD for an attachment that holds an address: the same one, if the grid still has it. */
  async #giveAgain(row: Row, request: AddRequest, signal: AbortSignal): Promise<Given | undefined> {
    const { store, networks, reservations, namespaces } = this.#parts;
    const network = await networks.ensure(request.policy, signal);
    const found = await reservations.find(row.identity, row.view, signal);
    const object = found.find((candidate) => candidate.ipv4addr === row.address) ?? found[0];
    if (object === undefined) return undefined;
    const address = object.ipv4addr;
    if (row.view !== network.view || !fits(address, network, request.requested)) {
      throw new GridError(
        'address-unavailable',
        `${request.attachment.containerId}/${request.attachment.ifName} already holds ${address} in network ${request.attachment.network}`,
        { cure: 'delete the attachment before adding it with another address or subnet' },
      );
    }
    const look = namespaces.look(request.netns);
    const netnsId = look.kind === 'there' ? look.id : null;
    if (row.netns !== request.netns || row.netnsId !== netnsId || row.address !== address) {
      store.put({ ...row, address, netns: request.netns, netnsId, bootId: namespaces.bootId });
    }
    // If nobody took delivery the last time, this caller is the first.
    const giver = this.#givers.get(row.identity);
    return { address, network, created: giver !== undefined && giver.callers <= 0 };
  }

  async #reserve(
    identity: string,
    network: ReadyNetwork,
    request: AddRequest,
    signal: AbortSignal,
  ): Promise<Reservation> {
    const { networks, reservations, labels } = this.#parts;
    const { attachment, policy, requested, workload } = request;
    if (requested !== undefined) {
      if (!fits(requested, network, requested)) throw outside(requested, network);
      await reservations.refuseUsed(requested, network, signal);
    }
    const wanted = (ready: ReadyNetwork) => ({
      identity,
      network: ready,
      name: workload,
      labels: () => labels.forAttachment(attachment, workload),
      ...(requested === undefined ? {} : { requested }),
    });
    try {
      return await reservations.reserve(wanted(network), signal);
    } catch (error) {
      if (hasReason(error, 'conflict') && requested !== undefined && error.outcome === 'none') {
        throw await reservations.takenBy(requested, network, signal);
      }
      if (hasReason(error, 'no-free-address')) throw await this.#parts.exhaustion.found(network, error, signal);
      if (!hasReason(error, 'missing') || error.outcome === 'unknown') throw error;
      // The network, remembered from an earlier container, has been removed: make sure of it once more.
      networks.forget(policy);
      return reservations.reserve(wanted(await networks.ensure(policy, signal)), signal);
    }
  }

  async #releaseOrOwe(row: Row, signal: AbortSignal): Promise<'released' | 'owed'> {
    const owed = this.#owe(row);
    try {
      await this.settle({ ...row, state: 'owed' }, signal);
      return 'released';
    } catch (error) {
      if (owed !== undefined) throw owed;
      this.#warn('release owed, will be tried again', row.identity, error);
      return 'owed';
    }
  }

  /** After a failed ADD: upkeep gives back what it may have left; at once if the state cannot be written. */
  async #oweOrRelease(row: Row): Promise<void> {
    if (this.#owe(row) === undefined) return;
    const { identity, view } = row;
    await this.#parts.reservations.release(identity, view, AbortSignal.timeout(5_000)).catch((error) => {
      this.#warn('cannot give back', identity, error);
    });
  }

  #warn(message: string, identity: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.#parts.log.warn(message, { attachment: identity, reason });
  }

  /**
   * Gives back what the grid holds for an owed row and forgets the row; keeps it for a later look if a create may still
   * land. The caller has the attachment's turn.
   */
  async settle(row: Row, signal: AbortSignal): Promise<void> {
    const { reservations, exhaustion, store, now } = this.#parts;
    await reservations.release(row.identity, row.view, signal);
    exhaustion.released(row.view);
    if (row.suspectUntil !== null && row.suspectUntil > now()) {
      const dueAt = nextLook(this.#parts.settling, row.suspectUntil, now());
      store.put({ ...row, state: 'owed', address: null, attempts: 0, dueAt });
      this.#parts.onOwed();
    } else store.remove(row.identity);
  }

  /** Notes that the row's address is to be given back. Returns the error if it cannot be noted. */
  #owe(row: Row): GridError | undefined {
    try {
      this.#parts.store.put({ ...row, state: 'owed', attempts: 0, dueAt: this.#parts.now() });
      this.#parts.onOwed();
      return undefined;
    } catch (error) {
      if (!hasReason(error, 'state')) throw error;
      return error;
    }
  }

  #newRow(identity: string, network: string, view: string): Row {
    return {
      identity,
      network: shortNetworkName(network),
      view,
      state: 'intent',
      address: null,
      netns: null,
      netnsId: null,
      bootId: null,
      createdAt: this.#parts.now(),
      attempts: 0,
      dueAt: null,
      suspectUntil: null,
    };
  }
}

function fits(address: string, network: ReadyNetwork, requested: string | undefined): boolean {
  if (requested !== undefined && requested !== address) return false;
  if (parseAddress(address) === undefined || !contains(network.cidr, address)) return false;
  return !isNetworkOrBroadcast(network.cidr, address) && address !== network.gateway;
}

function outside(requested: string, network: ReadyNetwork): GridError {
  const gateway = requested === network.gateway ? 'is the gateway' : 'is no address for a container';
  return new GridError('address-unavailable', `the requested address ${requested} ${gateway} in ${network.cidr.text}`, {
    cure: `request a host address of ${network.cidr.text}, or none to get the next free one`,
  });
}

function waitFor<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const late = () => new GridError('timeout', 'no time left to wait for the address');
  return new Promise((resolve, reject) => {
    const abort = () => reject(late());
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
