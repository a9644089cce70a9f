/**
 * A container's reservation on the grid: found by its identity, created exactly once as far as the grid lets one know,
 * and removed only if what is there now carries the identity.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { asOpen, GridError } from './errors.ts';
import { beginsWith, type Grid } from './grid.ts';
import { parseMark } from './identity.ts';
import type { Cidr } from './ipv4.ts';
import type { Attributes } from './labels.ts';
import type { ReadyNetwork } from './networks.ts';
import { type FixedAddress, isReservation } from './objects.ts';
import { fits } from './requested.ts';
import type { Confirmation } from './session.ts';

/** Times that a create is sent again after an answer was lost. */
const furtherTries = 4;
/** Milliseconds before the next try after a lost answer, doubled each time. */
const lostPause = 250;
/** As `lostPause`, after another host took the same next address. */
const collisionPause = 5;
/** What these pauses grow to. */
const longestPause = 4_000;
/** Altered objects that are remembered as reported; after that many the reports start anew. */
const mostReported = 1_000;

export interface ReservationRequest {
  readonly identity: string;
  readonly view: string;
  /** This address and no other, or any free one of this network. */
  readonly wanted: string | Cidr;
  /** Shown as the object's name in the grid. */
  readonly name: string;
  readonly labels: () => Attributes;
  /** Addresses of this identity that a lost delete may free yet: they are no answer to a lost create. */
  readonly doomed: readonly string[];
  /** Told each time that another host took the same next address; the argument is what to say if time runs out. */
  readonly onCollision?: (collision: GridError) => void;
}

export interface Reservation {
  readonly ref: string;
  readonly address: string;
  readonly view: string;
  /** What the grid was asked for, this address or any of this network; its answer may be another one. */
  readonly wanted: string | Cidr;
  /** True if an answer was lost on the way: a surplus object may still turn up. */
  readonly suspect: boolean;
}

/** Whom an address belongs to, as its reservation shows it. */
export interface Heir {
  readonly comment: string;
  readonly name: string;
  readonly labels: () => Attributes;
}

export class Reservations {
  readonly #grid: Grid;
  readonly #onAltered: (object: FixedAddress) => void;
  readonly #reported = new Set<string>();

  /** @param onAltered told once of each object that somebody has altered: it was ours, and is left alone */
  constructor(grid: Grid, onAltered: (object: FixedAddress) => void = () => {}) {
    this.#grid = grid;
    this.#onAltered = onAltered;
  }

  /**
   * What the grid holds for this identity; more than one only after an answer was lost. Only reservations with this
   * comment and nothing more: what somebody has altered is left out.
   * @param view undefined: in all views
   * @param confirm `answer`: what is found is confirmed, too, not only that nothing is there
   * @throws GridError `unconfirmed` if only a host was asked that may lack what the Grid Master has
   */
  async find(
    identity: string,
    view: string | undefined,
    signal: AbortSignal,
    confirm: Confirmation = 'absence',
  ): Promise<FixedAddress[]> {
    const found = await this.#grid.findFixedAddresses({ comment: identity, ...scope(view) }, signal, confirm);
    return found.filter((object) => object.comment === identity && this.#asMade(object, isReservation(object)));
  }

  /**
   * What the grid holds at an address, whosever it is.
   * @param view undefined: in all views
   */
  at(address: string, view: string | undefined, signal: AbortSignal): Promise<FixedAddress[]> {
    return this.#grid.findFixedAddresses({ ipv4addr: address, ...scope(view) }, signal);
  }

  /**
   * Reservations whose comment is a mark that begins with `prefix`, in one view or, without it, in all.
   * @param confirm `answer`: none may be missing
   * @throws GridError `unconfirmed` if only a host was asked that may lack what the Grid Master has
   */
  async *list(
    prefix: string,
    view: string | undefined,
    signal: AbortSignal,
    confirm?: Confirmation,
  ): AsyncGenerator<FixedAddress> {
    const query = { 'comment~': beginsWith(prefix), ...scope(view) };
    for await (const object of this.#grid.listFixedAddresses(query, signal, confirm)) {
      if (!object.comment.startsWith(prefix)) continue;
      const asMade = parseMark(object.comment) !== undefined && isReservation(object);
      if (this.#asMade(object, asMade)) yield object;
    }
  }

  /** Reports an object that was ours and was altered. */
  reportAltered(object: FixedAddress): void {
    const key = JSON.stringify([object.network_view, object.ipv4addr, object.comment, object.mac]);
    if (this.#reported.has(key)) return;
    if (this.#reported.size >= mostReported) this.#reported.clear();
    this.#reported.add(key);
    this.#onAltered(object);
  }

  #asMade(object: FixedAddress, asMade: boolean): boolean {
    if (!asMade) this.reportAltered(object);
    return asMade;
  }

  /**
   * Reserves an address in one request, and never sends it again before a look at the grid has shown that the first
   * one left nothing. Two clients that ask for the next free address at once may get the same one, and one of them a
   * conflict (WAPI): that one asks again until it is out of time.
   * @returns what the grid answered, which the caller has to compare with what was wanted
   * @throws GridError; its outcome is not `none` if the grid may hold, or come to hold, something of this identity
   */
  async reserve(request: ReservationRequest, signal: AbortSignal): Promise<Reservation> {
    const { identity, view, wanted, name, labels } = request;
    const address = typeof wanted === 'string' ? wanted : `func:nextavailableip:${wanted.text},${view}`;
    let suspect = false;
    let losses = 0;
    let collisions = 0;
    for (;;) {
      try {
        const made = await this.#grid.createReservation(address, view, identity, name, labels, signal);
        return { ref: made._ref, address: made.ipv4addr, view: made.network_view, wanted, suspect };
      } catch (error) {
        if (!(error instanceof GridError)) throw error;
        const isLost = error.outcome !== 'none';
        suspect ||= isLost;
        // A conflict after a lost answer may be with what that request has made since.
        if (isLost || (suspect && error.reason === 'conflict')) {
          const found = (await this.#find(request, signal)).find((object) => isAnswer(object, request));
          if (found !== undefined) return { ref: found._ref, address: found.ipv4addr, view, wanted, suspect };
        }
        const failed = (why: GridError) => (suspect ? asOpen(why) : why);
        const isCollision = !isLost && error.reason === 'conflict' && typeof wanted !== 'string';
        if (!isCollision && (!isLost || losses >= furtherTries)) throw failed(error);
        const why = isCollision ? collisionError(wanted, view, error) : error;
        if (isCollision) request.onCollision?.(why);
        const pause = isCollision ? collisionPause * 2 ** collisions : lostPause * 2 ** losses;
        if (isCollision) collisions += 1;
        else losses += 1;
        await delay(Math.min(pause, longestPause) * (0.5 + Math.random()), undefined, { signal }).catch(() => {
          throw failed(why);
        });
      }
    }
  }

  /** Makes a reservation that has just been made or found another's. */
  async passOn(ref: string, heir: Heir, signal: AbortSignal): Promise<void> {
    await this.#grid.relabel(ref, heir, signal);
  }

  /** Refuses a requested address that something else uses, be it an object that a fixed address would not exclude. */
  async refuseUsed(address: string, network: ReadyNetwork, signal: AbortSignal): Promise<void> {
    if ((await this.#grid.addressStatus(address, network.view, signal)) === 'USED') {
      throw await this.takenBy(address, network, signal);
    }
  }

  /** The error that says who has an address. */
  async takenBy(address: string, network: ReadyNetwork, signal: AbortSignal): Promise<GridError> {
    const [holder] = await this.at(address, network.view, signal);
    return takenError(address, network, holder?.comment ?? '');
  }

  /** Removes objects that have just been found by their identity; one that is gone already is fine. */
  async remove(found: readonly FixedAddress[], signal: AbortSignal): Promise<void> {
    for (const object of found) await this.#grid.remove(object._ref, signal);
  }

  async #find(request: ReservationRequest, signal: AbortSignal): Promise<FixedAddress[]> {
    try {
      return await this.find(request.identity, request.view, signal);
    } catch (error) {
      throw asOpen(error);
    }
  }
}

/** Whether an object of this identity is what a lost create was to make, and not what an earlier one left. */
function isAnswer({ ipv4addr }: FixedAddress, { wanted, doomed }: ReservationRequest): boolean {
  if (doomed.includes(ipv4addr)) return false;
  return typeof wanted === 'string' ? ipv4addr === wanted : fits(ipv4addr, { cidr: wanted }, undefined);
}

function collisionError(network: Cidr, view: string, cause: GridError): GridError {
  const name = `network ${network.text} (view ${view})`;
  return new GridError(
    'busy',
    `no address of ${name} could be reserved in time: other hosts are taking addresses of it at the same moment`,
    { cure: 'try again; if this goes on, start fewer containers at once, or raise --add-timeout', cause },
  );
}

function scope(view: string | undefined): Record<string, string> {
  return view === undefined ? {} : { network_view: view };
}

/** @param holder comment of the object that has the address; may be empty */
export function takenError(address: string, network: ReadyNetwork, holder: string): GridError {
  const by = holder === '' ? '' : ` by "${holder}"`;
  return new GridError(
    'address-unavailable',
    `the requested address ${address} in ${network.cidr.text} is taken${by}`,
    { cure: 'request another address, or none to get the next free one' },
  );
}
