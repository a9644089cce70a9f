/** Looks at the grid for the objects with a mark, their owners, and reservations that were moved or altered. */
import { familyOf } from '../address.ts';
import type { MarkPlace, Reservation, ReservationFilter } from '../grid.ts';
import type { Host } from '../host.ts';
import { gatewayMark, hostMark, isOurs, type Origin, parseMark } from '../mark.ts';
import { fits } from '../network/fit.ts';
import type { ReadyNetwork } from '../network/networks.ts';
import type { LeaseDeps } from './deps.ts';
import { type Lease, wasUnknown } from './lease.ts';
import { findOriginal } from './originals.ts';
import { type Found, isSame, type Look } from './plan.ts';

/** Altered objects remembered as reported; beyond this, all are reported again. */
const maxReported = 1_000;

interface ObserverDeps extends Pick<LeaseDeps, 'grid' | 'store' | 'moment' | 'log'> {
  /** `Tenant ID` of the original driver's objects; empty: they are not to be released. */
  readonly originalTenant: string;
}

/** A look without its time. */
type Shown = Omit<Look, 'askedAt'>;

export class Observer {
  readonly #deps: ObserverDeps;
  readonly #reported = new Set<string>();

  constructor(deps: ObserverDeps) {
    this.#deps = deps;
  }

  /**
   * Looks for the objects of a lease: those with its mark and, for an attachment that the state did not know, those of the original driver.
   * Usually one request, at most three for a mark.
   * @throws GridError if the grid cannot be asked
   */
  async look(lease: Lease, signal: AbortSignal): Promise<Look> {
    const { originalTenant: tenant, moment } = this.#deps;
    const { now: askedAt } = moment();
    const marked = { ...(await this.#lookForMark(lease, signal)), askedAt };
    if (tenant === '' || !wasUnknown(lease)) return marked;
    if (marked.found.length > 0 || marked.unconfirmed !== undefined) return marked;
    return { ...marked, found: await findOriginal(this.#deps, { ...lease, tenant }, signal) };
  }

  /** Looks for its mark in its view and, if the object is missing there, in all views and at its address. */
  async #lookForMark(lease: Lease, signal: AbortSignal): Promise<Shown> {
    const { mark, view } = lease;
    // A pending lease may have a former address, which does not count.
    const address = lease.phase === 'pending' ? null : lease.address;
    const family = address === null ? (lease.family ?? undefined) : familyOf(address);
    // During the import, the reservation may be in a renamed view.
    const { isWhole } = this.#deps.store;
    const here = await this.#find(mark, { view, family }, signal);
    if (here.found.length > 0 || here.unconfirmed !== undefined) return here;
    // For an attachment unknown to a whole state, no object can be elsewhere.
    if (isWhole && wasUnknown(lease)) return here;
    const anywhere = await this.#find(mark, { family }, signal);
    if (anywhere.found.length > 0 || address === null) return anywhere;
    const altered = (await this.#deps.grid.at(address, undefined, signal)).find((object) => wasMarked(object, mark));
    if (altered === undefined) return anywhere;
    // It was created between the two answers.
    if (altered.comment === mark && altered.isReserved) return this.#find(mark, { family }, signal);
    this.report(altered);
    return { ...anywhere, altered: describe(altered) };
  }

  /**
   * Lists reservations whose comment is exactly a mark; reports those that only begin with one.
   * @throws GridError `unconfirmed` if the filter wants confirmation and only a host that may lag behind could be asked
   */
  async *list(filter: ReservationFilter, signal: AbortSignal): AsyncGenerator<Reservation> {
    for await (const one of this.#deps.grid.list(filter, signal)) {
      if (isExactlyOurs(one)) yield one;
      else this.report(one);
    }
  }

  /** Finds reservations with exactly this mark. */
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

  /** Warns once that an object of this host was altered. */
  report({ view, address, comment, mac, matchedBy }: Reservation): void {
    const key = JSON.stringify([view, address, comment, mac]);
    if (this.#reported.has(key)) return;
    if (this.#reported.size >= maxReported) this.#reported.clear();
    this.#reported.add(key);
    const hint = 'restore its comment to exactly the mark, or delete it when its container is gone';
    const fields = { address, view, comment, mac, match_client: matchedBy, hint };
    this.#deps.log.warn('a reservation with the mark of this host was altered on the grid: it is left alone', fields);
  }
}

/** Tells whether an object is a reservation whose comment is exactly a mark; otherwise someone altered it. */
export function isExactlyOurs({ comment, isReserved }: Reservation): boolean {
  return parseMark(comment) !== undefined && isReserved;
}

/** Describes an altered object, or one of somebody else, in words that follow its address. */
export function describe({ comment, isReserved, matchedBy, mac }: Reservation): string {
  if (isReserved) return `was changed in the grid and is now "${comment}"`;
  const client = mac === '' ? matchedBy : `${matchedBy}, MAC ${mac}`;
  if (!isOurs(comment)) return `is kept for "${comment}" (matched by ${client})`;
  return `was changed in the grid and is no reservation any more (matched by ${client}): "${comment}"`;
}

function wasMarked({ comment }: Reservation, mark: string): boolean {
  return comment === mark || (comment.startsWith(mark) && parseMark(comment) === undefined);
}

/** Facts that only an ADD knows. */
interface AddView {
  readonly host: Pick<Host, 'isOwnAddress'>;
  readonly origin: Origin;
  readonly network: ReadyNetwork;
  /** The network's name. */
  readonly name: string;
  readonly requested: string | undefined;
  readonly made: Pick<Found, 'address' | 'view'> | undefined;
}

/** Adds the facts of an ADD to a look: the object that it made, what fits it, and addresses that no container may have. */
export async function seenByAdd(look: Look, add: AddView): Promise<Look> {
  const { network, requested, made } = add;
  const found = look.found.map(async (object) => {
    return { ...object, fresh: made !== undefined && isSame(object, made), owner: await ownerOf(object, add) };
  });
  return { ...look, found: await Promise.all(found), fits: (address) => fits(address, network, requested) };
}

/**
 * Decides who must have the address of an object that was made for a container.
 * @returns the mark of its owner: gateway, other attachment or this host; undefined if the container may have it
 */
async function ownerOf({ address, view, owner }: Found, { host, origin, network, name }: AddView) {
  const isHere = view === network.view;
  if (isHere && address === network.kept) return gatewayMark(name);
  const isOwn = await host.isOwnAddress(address);
  return owner ?? (isHere && isOwn ? hostMark(origin) : undefined);
}
