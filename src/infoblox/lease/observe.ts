/** Looks at the grid: what carries a mark, and what became of a reservation that is not where it should be. */
import type { Log } from '../log.ts';
import { parseMark } from '../mark.ts';
import type { SightedAddress, WapiClient } from '../wapi/client.ts';
import { beginsWith } from '../wapi/paged-search.ts';
import { type FixedAddress, isReservation } from '../wapi/schemas.ts';
import type { Moment } from './doubt.ts';
import { type Lease, wasUnknown } from './lease.ts';
import type { Originals } from './orphans/original.ts';
import type { Found, Look } from './plan.ts';
import type { LeaseStore } from './store/lease-store.ts';

/** Altered objects that are remembered as reported; after that many the reports start anew. */
const mostReported = 1_000;

/** What it needs, which is there before all others that work on leases. */
interface ObserverDeps {
  readonly wapi: WapiClient;
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
    const { mark, view, address } = lease;
    const here = await this.#find({ comment: mark, network_view: view }, mark, signal);
    if (here.found.length > 0 || here.unconfirmed !== undefined) return here;
    // Of an attachment that a whole state knows nothing of, nothing can be anywhere else.
    const isKnown = this.#deps.store.isWhole && lease.createInDoubtUntil === null;
    if (address === null && lease.phase !== 'pending' && isKnown) return here;
    const anywhere = await this.#find({ comment: mark }, mark, signal);
    if (anywhere.found.length > 0 || address === null) return anywhere;
    const altered = (await this.at(address, undefined, signal)).find((object) => wasMarked(object, mark));
    if (altered === undefined) return anywhere;
    this.report(altered);
    return { ...anywhere, altered: describe(altered) };
  }

  /** What the grid has at an address, whosever it is. @param view undefined: in all views */
  at(address: string, view: string | undefined, signal: AbortSignal): Promise<FixedAddress[]> {
    return this.#deps.wapi.findFixedAddresses({ ipv4addr: address, ...scope(view) }, signal);
  }

  /**
   * Reservations whose comment is a mark that begins with `prefix`.
   * @param where `view`: undefined for all; `confirm`: `answer` if none may be missing
   * @throws GridError `unconfirmed` if that is wanted and only a host could be asked that may lag behind
   */
  async *list(
    prefix: string,
    { view, confirm }: { readonly view?: string; readonly confirm?: 'answer' },
    signal: AbortSignal,
  ): AsyncGenerator<FixedAddress> {
    const query = { 'comment~': beginsWith(prefix), ...scope(view) };
    for await (const object of this.#deps.wapi.listFixedAddresses(query, signal, confirm)) {
      if (!object.comment.startsWith(prefix)) continue;
      if (isExactlyOurs(object)) yield object;
      else this.report(object);
    }
  }

  async #find(query: Record<string, string>, mark: string, signal: AbortSignal): Promise<Shown> {
    const { found, ...rest } = await this.#deps.wapi.lookUpFixedAddresses(query, signal);
    return { found: this.#marked(found, mark), ...rest };
  }

  /** Those of some objects that are reservations with exactly this mark. */
  #marked(objects: readonly SightedAddress[], mark: string): Found[] {
    const marked = objects.filter((object) => object.comment === mark);
    for (const object of marked) if (!isReservation(object)) this.report(object);
    return marked.filter(isReservation).map(({ _ref: ref, ipv4addr: address, network_view: view, seen }) => {
      return { ref, address, view, seen, owner: this.#deps.store.boundAt(view, address, mark)?.mark };
    });
  }

  /** Says once that an object was ours and was altered. */
  report(object: FixedAddress): void {
    const { network_view: view, ipv4addr: address, comment, mac, match_client } = object;
    const key = JSON.stringify([view, address, comment, mac]);
    if (this.#reported.has(key)) return;
    if (this.#reported.size >= mostReported) this.#reported.clear();
    this.#reported.add(key);
    this.#deps.log.warn('a reservation with the mark of this host was altered on the grid: it is left alone', {
      ...{ address, view, comment, mac, match_client },
      hint: 'let its comment be the mark alone again, or delete it when its container is gone',
    });
  }
}

/** Nothing but a mark, on nothing but a reservation: whatever else is there, somebody has put it there. */
export function isExactlyOurs(object: FixedAddress): boolean {
  return parseMark(object.comment) !== undefined && isReservation(object);
}

/** What an object is now that is not as it was made, in words that follow its address. */
export function describe(object: FixedAddress): string {
  const { comment, mac, match_client } = object;
  if (isReservation(object)) return `was changed in the grid and is now "${comment}"`;
  return `was changed in the grid and is no reservation any more (match_client ${match_client}, MAC ${mac}): "${comment}"`;
}

function wasMarked({ comment }: FixedAddress, mark: string): boolean {
  return comment === mark || (comment.startsWith(mark) && parseMark(comment) === undefined);
}

function scope(view: string | undefined): Record<string, string> {
  return view === undefined ? {} : { network_view: view };
}
