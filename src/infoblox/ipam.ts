/**
 * Gives addresses to attachments and takes them back. Three promises: no address is held by two live attachments; what
 * a caller was given stays reserved until it is released; what nobody holds goes back to the grid, now or later.
 */
import { withCallers, withoutCaller } from './callers.ts';
import { GridError, hasReason } from './errors.ts';
import { Flights } from './flights.ts';
import { checkHolding } from './holding-check.ts';
import { type Attachment, networkOf } from './identity.ts';
import type { Cidr } from './ipv4.ts';
import type { ReadyNetwork } from './networks.ts';
import type { FixedAddress } from './objects.ts';
import type { Origins } from './origins.ts';
import type { Release } from './releases.ts';
import { type AddRequest, type AddUnderWay, type Given, giveAgain, type RepeatedAddParts } from './repeated-add.ts';
import { fits, refuseHopeless } from './requested.ts';
import type { Reservation } from './reservations.ts';
import type { Row } from './store.ts';
import { takeAddress } from './taking.ts';

/** Milliseconds to give back at once what nobody took delivery of. */
const giveBackTimeout = 5_000;

export interface Allocation {
  readonly address: string;
  readonly cidr: Cidr;
  readonly gateway?: string;
  /** The caller has the answer. */
  delivered(): void;
  /** The caller went away without the answer: if no other caller of the same ADD has it, the address goes back. */
  abandon(): Promise<void>;
}

export interface IpamParts extends RepeatedAddParts {
  readonly origins: Origins;
  readonly log: RepeatedAddParts['log'] & { info(message: string, details?: Record<string, unknown>): void };
}

export class Ipam {
  readonly #parts: IpamParts;
  readonly #flights = new Flights<Given>();

  constructor(parts: IpamParts) {
    this.#parts = parts;
  }

  /**
   * Gives the attachment its address; the same one if it has one already. Callers that ask for the same at once share
   * one flight. When the last of them is gone, the flight ends and what it took goes back.
   * @param signal fires when the caller is gone or out of time
   */
  async add(request: AddRequest, signal: AbortSignal): Promise<Allocation> {
    refuseHopeless(request.requested, request.policy);
    const identity = this.#parts.origins.identityOf(request.attachment);
    const key = JSON.stringify([request.policy, request.requested]);
    const flight = this.#flights.board(identity, key, request.callId, (course) =>
      this.#parts.turns.run(identity, () => this.#give(identity, { ...request, course }, course.calledOff)),
    );
    const abandon = async () => {
      flight.leave();
      await flight.done.catch(() => undefined);
      if (this.#flights.deserted(identity)) await this.#giveBack(identity);
    };
    const given = await flight.wait(signal).catch((error) => {
      if (signal.aborted)
        abandon().catch((failure) => this.#parts.releases.warn('cannot give back', identity, failure));
      throw error;
    });
    return {
      address: given.address,
      cidr: given.network.cidr,
      ...(given.network.gateway === undefined ? {} : { gateway: given.network.gateway }),
      delivered: () => this.#flights.confirm(identity, request.callId),
      abandon,
    };
  }

  /**
   * Takes the attachment's address back. Returns when that is done or durably owed; nothing to release is success.
   * @param view where to look if this daemon does not know the attachment
   * @param signal the time to try the grid at once
   * @throws GridError `state` if the release could not be remembered, be it done or not
   */
  async release(attachment: Attachment, view: string, signal: AbortSignal): Promise<Release> {
    const identity = this.#parts.origins.identityOf(attachment);
    // A runtime that deletes has given up on an ADD that is still under way.
    this.#flights.callOff(identity);
    return this.#parts.turns.run(identity, async () => {
      this.#flights.forget(identity);
      const row = this.#parts.store.get(identity) ?? this.#parts.releases.newRow(identity, attachment.network, view);
      const release = await this.#parts.releases.releaseOrOwe(row, signal);
      // The next daemon would take the row for a container that lives; a release note of the plugin will correct it.
      if (release.unrecorded !== undefined) throw release.unrecorded;
      return release;
    });
  }

  /**
   * Notes durably that the attachment's address is to be given back, and leaves the rest to upkeep.
   * @throws GridError `state` if it cannot be noted
   */
  async releaseLater(attachment: Attachment, view: string): Promise<void> {
    const identity = this.#parts.origins.identityOf(attachment);
    await this.#parts.turns.run(identity, async () => {
      this.#flights.forget(identity);
      const row = this.#parts.store.get(identity) ?? this.#parts.releases.newRow(identity, attachment.network, view);
      this.#parts.releases.owe(row);
    });
  }

  /**
   * The caller of an ADD got no answer: what the attachment holds is to be given back, unless another ADD was, or may have
   * been, answered with it.
   * @throws GridError `state` if that cannot be noted
   */
  async unanswered(attachment: Attachment, callId: string): Promise<void> {
    const { origins, turns, store, releases, log } = this.#parts;
    const identity = origins.identityOf(attachment);
    await turns.run(identity, async () => {
      const row = store.get(identity);
      if (row === undefined || row.state === 'owed') return;
      const callers = withoutCaller(row.callers, callId);
      if (callers === row.callers) return;
      if (callers !== '') return store.put({ ...row, callers });
      this.#flights.forget(identity);
      releases.owe({ ...row, callers });
      log.info('caller got no answer: releasing', { attachment: identity, address: row.address });
    });
  }

  /**
   * Releases what an identity holds, if nobody needs it any more.
   * @param dead asked when the attachment's turn has come, right before the release: does it still look dead?
   * @returns undefined if it is kept
   */
  async retire(
    identity: string,
    view: string,
    dead: (row: Row | undefined) => boolean,
    signal: AbortSignal,
  ): Promise<Release | undefined> {
    return this.#parts.turns.run(identity, async () => {
      const known = this.#parts.store.get(identity);
      if (!dead(known)) return undefined;
      this.#flights.forget(identity);
      const network = networkOf(identity);
      return this.#parts.releases.releaseOrOwe(known ?? this.#parts.releases.newRow(identity, network, view), signal);
    });
  }

  /**
   * Makes sure that the attachment still holds one of the addresses.
   * @throws GridError `reservation-lost`
   */
  check(attachment: Attachment, view: string, addresses: readonly string[], signal: AbortSignal): Promise<void> {
    return checkHolding(this.#parts, attachment, view, addresses, signal);
  }

  /** Nobody took delivery: the address goes back, unless a later ADD has answered with it and somebody lives on it. */
  async #giveBack(identity: string): Promise<void> {
    await this.#parts.turns.run(identity, async () => {
      const row = this.#parts.store.get(identity);
      if (row?.state !== 'held' || !this.#flights.deserted(identity)) return;
      this.#flights.forget(identity);
      await this.#parts.releases.releaseOrOwe(row, AbortSignal.timeout(giveBackTimeout));
      this.#parts.log.info('nobody took the address: it goes back', { attachment: identity, address: row.address });
    });
  }

  async #give(identity: string, request: AddUnderWay, signal: AbortSignal): Promise<Given> {
    const { store, networks, releases, namespaces } = this.#parts;
    if (signal.aborted) throw new GridError('timeout', 'the caller left before its turn came');
    const before = store.get(identity);
    if (before?.state === 'held') {
      const given = await giveAgain(this.#parts, { before, request }, signal);
      if (given !== undefined) return given;
    } else if (before !== undefined && before.view !== request.policy.view) {
      await this.#leaveView(before, signal);
    }
    const row: Row = {
      ...this.#parts.releases.newRow(identity, request.attachment.network, request.policy.view),
      suspectUntil: before !== undefined && releases.isSuspect(before) ? before.suspectUntil : null,
      doomedUntil: before !== undefined && releases.isDoomed(before) ? before.doomedUntil : null,
      // Whoever was told an address before may live on it still, though the grid has lost it.
      callers: withCallers(before?.state === 'held' ? before.callers : '', request.course.callers),
      ...namespaces.witness(request.netns),
    };
    store.put(row);
    // Of an attachment that is new to a state that is whole, the grid can hold nothing: one request is enough.
    let maybeOnGrid = before !== undefined || store.fact('adopted') === undefined;
    try {
      const network = await networks.ensure(request.policy, signal);
      const { found, sure } = maybeOnGrid ? await this.#look(row, network.view, signal) : { found: [], sure: true };
      // What an earlier delete may remove yet is neither given nor deleted again; upkeep looks at it when that is over.
      const doomed = releases.isDoomed(row) ? found.map((object) => object.ipv4addr) : [];
      const usable = found.find(
        (object) => !doomed.includes(object.ipv4addr) && fits(object.ipv4addr, network, request.requested),
      );
      if (found.length > doomed.length && usable === undefined) {
        await releases.clear(row, signal);
        store.put(row);
      }
      maybeOnGrid = usable !== undefined || doomed.length > 0 || !sure;
      const there = usable && asReservation(usable, network, found.length > 1);
      const delayedBy = (why: GridError) => request.course.delayedBy(why);
      const want = { row, network, request, doomed, there, former: former(before, network), delayedBy };
      const reservation = await takeAddress(this.#parts, want, signal);
      maybeOnGrid = true;
      const suspectUntil = reservation.suspect || !sure ? releases.certainFrom() : row.suspectUntil;
      const dueAt = row.doomedUntil ?? (suspectUntil === null ? null : releases.nextLook(suspectUntil));
      const callers = withCallers(row.callers, request.course.callers);
      store.put({ ...row, state: 'held', address: reservation.address, suspectUntil, dueAt, callers });
      request.course.land(true);
      if (dueAt !== null) this.#parts.onDue();
      return { address: reservation.address, network };
    } catch (error) {
      const unknown = error instanceof GridError && error.outcome !== 'none';
      // As it is in the state: a delete may have been lost on the way.
      const { doomedUntil } = store.get(identity) ?? row;
      if (maybeOnGrid || unknown || row.suspectUntil !== null || doomedUntil !== null) {
        const suspectUntil = unknown ? releases.certainFrom() : row.suspectUntil;
        await releases.undo({ ...row, suspectUntil, doomedUntil });
      } else store.remove(identity);
      throw error;
    }
  }

  /**
   * What an earlier ADD has left. Not sure if only a host was asked that may lack it, or show what is gone: the create that
   * follows goes to one that accepts writes, and later looks find what it has duplicated.
   */
  async #look(row: Row, view: string, signal: AbortSignal): Promise<{ found: FixedAddress[]; sure: boolean }> {
    try {
      return { found: await this.#parts.reservations.find(row.identity, view, signal, 'answer'), sure: true };
    } catch (error) {
      // What an earlier delete may hit yet must not be taken, and nobody can say what that is.
      if (!hasReason(error, 'unconfirmed') || this.#parts.releases.isDoomed(row)) throw error;
      return { found: [], sure: false };
    }
  }

  /** Another view than the one in which something may still be held: that has to be given back first. */
  async #leaveView(before: Row, signal: AbortSignal): Promise<void> {
    const { doomed } = await this.#parts.releases.clear(before, signal);
    if (!doomed) return;
    throw new GridError('busy', `an earlier release in view ${before.view} is not settled yet`, {
      cure: 'try again in a minute',
    });
  }
}

/** What has been found on the grid, as if it had just been made. */
function asReservation(found: FixedAddress, network: ReadyNetwork, suspect: boolean): Reservation {
  return { ref: found._ref, address: found.ipv4addr, view: found.network_view, wanted: network.cidr, suspect };
}

/** What the attachment held, if it can be given again. */
function former(before: Row | undefined, network: ReadyNetwork): string | undefined {
  if (before?.state !== 'held' || before.address === null || before.view !== network.view) return undefined;
  return fits(before.address, network, undefined) ? before.address : undefined;
}
