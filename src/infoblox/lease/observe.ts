/** Looks at the grid: what carries a mark, whose it is, and what became of a reservation that is not where it should be. */
import { familyOf } from '../address.ts';
import type { Grid, MarkPlace, Reservation, ReservationFilter } from '../grid.ts';
import type { Host } from '../host.ts';
import type { Log } from '../log.ts';
import { gatewayMark, hostMark, type Origin, parseMark } from '../mark.ts';
import { fits } from '../network/fit.ts';
import type { ReadyNetwork } from '../network/networks.ts';
import type { Moment } from './doubt.ts';
import { type Lease, wasUnknown } from './lease.ts';
import type { Originals } from './originals.ts';
import { type Found, isSame, type Look } from './plan.ts';
import type { LeaseStore } from './store/lease-store.ts';

/** Altered objects that are remembered as reported; after that many the reports start anew. */
const maxReported = 1_000;

/** What it needs, which is there before all others that work on leases. */
interface ObserverDeps {
  readonly grid: Grid;
  readonly store: Pick<LeaseStore, 'boundAt' | 'isWhole'>;
  readonly moment: () => Moment;
  readonly log: Pick<Log, 'warn'>;
  /** What the original driver has made; undefined if that is left alone. */
  readonly originals?: Originals | undefined;
}

/** What the grid has shown. */
type Shown = Omit<Look, 'askedAt'>;

export class Observer {
  readonly #deps: ObserverDeps;
  readonly #reported = new Set<string>();

  constructor(deps: ObserverDeps) {
    this.#deps = deps;
  }

  /**
   * Looks for what a lease has on the grid: what carries its mark and, for an attachment that the state did not know, what
   * the original driver has made for it. One request as a rule, three at most for a mark.
   * @throws GridError if the grid cannot be asked
   */
  async look(lease: Lease, signal: AbortSignal): Promise<Look> {
    const { originals, moment } = this.#deps;
    const { now: askedAt } = moment();
    const marked = { ...(await this.#lookForMark(lease, signal)), askedAt };
    if (originals === undefined || !wasUnknown(lease)) return marked;
    if (marked.found.length > 0 || marked.unconfirmed !== undefined) return marked;
    return { ...marked, found: await originals.find(lease, signal) };
  }

  /** By its mark in its view and, if nothing is there that should be, in all views and at its address. */
  async #lookForMark(lease: Lease, signal: AbortSignal): Promise<Shown> {
    const { mark, view } = lease;
    // Of a pending lease it is the former address: this ADD has told none yet.
    const address = lease.phase === 'pending' ? null : lease.address;
    const family = address === null ? (lease.family ?? undefined) : familyOf(address);
    // What a state that is being imported does not know may be in a view that was renamed.
    const { isWhole } = this.#deps.store;
    const here = await this.#find(mark, { view, family }, signal);
    if (here.found.length > 0 || here.unconfirmed !== undefined) return here;
    // Of an attachment that a whole state knows nothing of, nothing can be anywhere else.
    if (isWhole && wasUnknown(lease)) return here;
    const anywhere = await this.#find(mark, { family }, signal);
    if (anywhere.found.length > 0 || address === null) return anywhere;
    const altered = (await this.#deps.grid.at(address, undefined, signal)).find((object) => wasMarked(object, mark));
    if (altered === undefined) return anywhere;
    // It was made between the two answers.
    if (altered.comment === mark && altered.isReserved) return this.#find(mark, { family }, signal);
    this.report(altered);
    return { ...anywhere, altered: describe(altered) };
  }

  /**
   * Lists reservations whose comment is exactly a mark; what only begins like one is reported.
   * @throws GridError `unconfirmed` if the filter wants confirmation and only a host could be asked that may lag behind
   */
  async *list(filter: ReservationFilter, signal: AbortSignal): AsyncGenerator<Reservation> {
    for await (const one of this.#deps.grid.list(filter, signal)) {
      if (isExactlyOurs(one)) yield one;
      else this.report(one);
    }
  }

  /** What is reserved with exactly this mark. */
  async #find(mark: string, place: MarkPlace, signal: AbortSignal): Promise<Shown> {
    const { grid, store } = this.#deps;
    const { found, ...rest } = await grid.find(mark, place, signal);
    for (const one of found) if (!one.isReserved) this.report(one);
    const reserved = found.filter(({ isReserved }) => isReserved);
    const objects = reserved.map(({ address, view: where, seen }): Found => {
      return { address, view: where, seen, owner: store.boundAt(where, address, mark)?.mark };
    });
    return { found: objects, ...rest };
  }

  /** Says once that an object was ours and was altered. */
  report({ view, address, comment, mac, matchedBy }: Reservation): void {
    const key = JSON.stringify([view, address, comment, mac]);
    if (this.#reported.has(key)) return;
    if (this.#reported.size >= maxReported) this.#reported.clear();
    this.#reported.add(key);
    const hint = 'let its comment be the mark alone again, or delete it when its container is gone';
    const fields = { address, view, comment, mac, match_client: matchedBy, hint };
    this.#deps.log.warn('a reservation with the mark of this host was altered on the grid: it is left alone', fields);
  }
}

/** Nothing but a mark, on nothing but a reservation: whatever else is there, somebody has put it there. */
export function isExactlyOurs({ comment, isReserved }: Reservation): boolean {
  return parseMark(comment) !== undefined && isReserved;
}

/** What an object is now that is not as it was made, in words that follow its address. */
export function describe({ comment, isReserved, matchedBy, mac }: Reservation): string {
  if (isReserved) return `was changed in the grid and is now "${comment}"`;
  const client = mac === '' ? matchedBy : `${matchedBy}, MAC ${mac}`;
  return `was changed in the grid and is no reservation any more (matched by ${client}): "${comment}"`;
}

function wasMarked({ comment }: Reservation, mark: string): boolean {
  return comment === mark || (comment.startsWith(mark) && parseMark(comment) === undefined);
}

/** What only an ADD knows. */
interface AddView {
  readonly host: Host;
  readonly origin: Origin;
  readonly network: ReadyNetwork;
  /** Of the network. */
  readonly name: string;
  readonly requested: string | undefined;
  readonly made: Pick<Found, 'address' | 'view'> | undefined;
}

/** A look with what only an ADD knows: what it has made, what fits it, and which addresses no container may have. */
export async function seenByAdd(look: Look, { host, origin, network, name, requested, made }: AddView): Promise<Look> {
  const found = look.found.map(async (object) => {
    const isOwn = await host.isOwnAddress(object.address);
    const owner = keeperOf(object, { network, name, host: origin, isOwn });
    return { ...object, fresh: made !== undefined && isSame(object, made), owner };
  });
  return { ...look, found: await Promise.all(found), fits: (address) => fits(address, network, requested) };
}

interface Keepers {
  readonly network: ReadyNetwork;
  /** The network's name. */
  readonly name: string;
  readonly host: Origin;
  /** Whether the object's address is one of the host's own. */
  readonly isOwn: boolean;
}

/**
 * Decides who has to have an object that was made for a container.
 * @returns the mark of its owner: gateway, other attachment, or this host; undefined if the container may have it
 */
export function keeperOf({ address, view, owner }: Found, { network, name, host, isOwn }: Keepers): string | undefined {
  const isHere = view === network.view;
  if (isHere && address === network.kept) return gatewayMark(name);
  return owner ?? (isHere && isOwn ? hostMark(host) : undefined);
}
