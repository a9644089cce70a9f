/**
 * Gives addresses to attachments and takes them back. Three promises: no address is held by two live attachments; what
 * a caller was given stays reserved until it is released; what nobody holds goes back to the grid, now or later.
 */
import { isDeepStrictEqual } from 'node:util';
import { withCallers, withoutCaller } from './callers.ts';
import { GridError, hasReason } from './errors.ts';
import { type Course, Flights } from './flights.ts';
import { checkHolding } from './holding-check.ts';
import { type Attachment, networkOf } from './identity.ts';
import type { Cidr } from './ipv4.ts';
import type { Namespaces } from './namespaces.ts';
import type { ReadyNetwork } from './networks.ts';
import type { FixedAddress } from './objects.ts';
import type { Origins } from './origins.ts';
import type { Release } from './releases.ts';
import { fits, mayFit, refuseHopeless } from './requested.ts';
import type { Reservation } from './reservations.ts';
import { type RestorationParts, restore } from './restoration.ts';
import type { Row } from './store.ts';
import { type AddressRequest, type TakingParts, takeAddress } from './taking.ts';
import { describeAltered, movedError, type Trace, trace } from './trace.ts';

/** Milliseconds to give back at once what nobody took delivery of. */
const giveBackTimeout = 5_000;

export interface AddRequest extends AddressRequest {
  /** Path of the container's network namespace. */
  readonly netns: string;
  /** Names this call, so that its caller can say later that it got no answer. */
  readonly callId?: string | undefined;
}

export interface Allocation {
  readonly address: string;
  readonly cidr: Cidr;
  readonly gateway?: string;
  /** The caller went away without the answer: if no other caller of the same ADD has it, the address goes back. */
  abandon(): Promise<void>;
}

/** An ADD under way. */
interface AddUnderWay extends AddRequest {
  readonly course: Course;
}

interface Given {
  readonly address: string;
  readonly network: ReadyNetwork;
}

export interface IpamParts extends TakingParts {
  readonly namespaces: Namespaces;
  readonly origins: Origins;
  readonly log: RestorationParts['log'] & { info(message: string, details?: Record<string, unknown>): void };
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
      const given = await this.#giveAgain(before, request, signal);
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

  /** ADD for an attachment that holds an address: the same one, if the grid still has it. */
  async #giveAgain(before: Row, request: AddUnderWay, signal: AbortSignal): Promise<Given | undefined> {
    const { store, networks, reservations, releases, namespaces } = this.#parts;
    const { policy, requested, attachment } = request;
    let inView: FixedAddress[];
    let became: Exclude<Trace, { kind: 'altered' }> | undefined;
    try {
      inView = await reservations.find(before.identity, before.view, signal);
      became = inView.length > 0 ? undefined : await this.#trace(before, request, signal);
    } catch (error) {
      if (!hasReason(error, 'unconfirmed')) throw error;
      // A create tells what no look can: if it is there after all, the grid refuses it.
      const given = await this.#restore(before, request, signal);
      if (given === undefined) throw error;
      return given;
    }
    if (became?.kind === 'gone') return this.#restore(before, request, signal);
    const found = became?.found ?? inView;
    const row = became === undefined ? before : { ...before, view: became.view };
    const others = releases.isDoomed(row) ? [] : found.map(({ ipv4addr }) => ipv4addr);
    const address = found.some(({ ipv4addr }) => ipv4addr === row.address)
      ? row.address
      : others.find((other) => store.holder(row.view, other, row.identity) === undefined);
    if (address === undefined || address === null) return undefined;
    // Judged before the network is made sure of: a refusal makes nothing.
    const network =
      row.view === policy.view && mayFit(address, policy, requested)
        ? await networks.ensure(policy, signal)
        : undefined;
    if (network === undefined || !fits(address, network, requested)) {
      throw new GridError(
        'address-unavailable',
        `${attachment.containerId}/${attachment.ifName} already holds ${address} in network ${attachment.network}`,
        {
          cure:
            row.view === policy.view
              ? 'delete the attachment before adding it with another address or subnet'
              : `it is in network view ${row.view}: name that one, or delete the attachment before adding it in another`,
        },
      );
    }
    const callers = withCallers(row.callers, request.course.callers);
    const next: Row = { ...row, address, callers, ...namespaces.witness(request.netns) };
    if (!isDeepStrictEqual(next, before)) store.put(next);
    request.course.land(false);
    return { address, network };
  }

  /**
   * What became of a reservation that is not in its view. One that moved to the view which the configuration names by now
   * is as good as found.
   * @throws GridError `network-conflict` if it is in another view, `address-unavailable` if somebody has altered it
   */
  async #trace(
    { identity, view, address }: Row,
    { attachment, policy }: AddRequest,
    signal: AbortSignal,
  ): Promise<Exclude<Trace, { kind: 'altered' }>> {
    const lost = { mark: identity, view, address };
    const became = await trace(this.#parts.reservations, lost, signal);
    const who = `${attachment.containerId}/${attachment.ifName}`;
    if (became.kind === 'moved' && ![view, policy.view].includes(became.view)) throw movedError(who, lost, became.view);
    if (became.kind !== 'altered') return became;
    throw new GridError(
      'address-unavailable',
      `${who} holds ${address} in network ${attachment.network}, and that ${describeAltered(became.object)}`,
      { cure: `make it a reservation with the comment "${identity}" again, or delete the attachment before adding it` },
    );
  }

  /**
   * Reserves what the attachment lives on and the grid has lost. Its row stays, so that nobody else is given it meanwhile.
   * @returns undefined if the grid does not take it again, or if it is not what is asked for
   */
  async #restore(row: Row, request: AddUnderWay, signal: AbortSignal): Promise<Given | undefined> {
    const { policy, requested, netns, course } = request;
    const { store, networks, namespaces, onDue } = this.#parts;
    const { address } = row;
    if (address === null || row.view !== policy.view || !mayFit(address, policy, requested)) return undefined;
    for (let tries = 0; ; tries += 1) {
      const network = await networks.ensure(policy, signal);
      if (!fits(address, network, requested)) return undefined;
      const refusal = await restore(this.#parts, row, address, signal).finally(onDue);
      if (refusal === undefined) {
        const callers = withCallers(row.callers, course.callers);
        store.put({ ...(store.get(row.identity) ?? row), callers, ...namespaces.witness(netns) });
        course.land(false);
        return { address, network };
      }
      if (refusal.reason !== 'missing' || tries > 0) return undefined;
      networks.forget(policy);
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
