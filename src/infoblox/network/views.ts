/**
 * Network views, created when they are absent, unless they are absent only because somebody has renamed them: containers
 * use addresses in such a view, and a network in a new view of the old name would give them out a second time.
 */
import { type Cidr, contains } from '../address.ts';
import { GridError, mayExist } from '../errors.ts';
import type { Grid, Reservation } from '../grid.ts';
import type { Log } from '../log.ts';
import { type Origin, parseMark } from '../mark.ts';
import { familyOfSpec } from './sets.ts';
import type { NetworkSpec } from './spec.ts';

/** Reservations of this host that are looked for: one may have been deleted by hand, not all. */
const maxSamples = 3;

/** What this host has bound, as its state says. */
export interface BoundLeases {
  /** Some of the leases in a view, at most `limit`. */
  boundIn(view: string, limit: number): readonly { readonly mark: string }[];
  /** Whether one of a network name, as it stands in marks, has an address in a network. */
  hasBoundIn(where: { readonly name: string; readonly view: string; readonly cidr: Cidr }): boolean;
}

interface NetworkViewsDeps {
  readonly grid: Grid;
  readonly leases: BoundLeases;
  readonly host: Origin;
  readonly log: Pick<Log, 'warn'>;
}

/** What finding and creating networks needs. */
export interface NetworkDeps {
  readonly grid: Grid;
  readonly views: NetworkViews;
  readonly leases: BoundLeases;
  readonly log: Pick<Log, 'info'>;
}

/** A network that was found or created. */
export interface FoundNetwork {
  readonly cidr: Cidr;
  /** This call has created it, or must confirm it before an address is taken from it. */
  readonly isNew: boolean;
}

export class NetworkViews {
  readonly #deps: NetworkViewsDeps;
  readonly #used = new Set<string>();

  constructor(deps: NetworkViewsDeps) {
    this.#deps = deps;
  }

  /** Notes that a network of the view is in use: what other hosts have in another view counts from then on, too. */
  noteUsed(view: string): void {
    this.#used.add(view);
  }

  /** Tells whether this host has leases in the view. */
  hasLeases(view: string): boolean {
    return this.#deps.leases.boundIn(view, 1).length > 0;
  }

  /** Tells whether the grid has the view. */
  exists(view: string, signal: AbortSignal): Promise<boolean> {
    return this.#deps.grid.exists({ view }, signal);
  }

  /**
   * Refuses a network that is about to be created in a renamed view. Two things tell: a lease that this host has in the
   * view is reserved in another one, even though a view of that name may be there again; and, if the view is absent,
   * containers of this network have addresses in another one. The reads run side by side.
   * @param known.viewExists if that was read already
   * @returns whether the view exists
   * @throws GridError `network-conflict` naming the other view
   */
  async refuseRenamed(
    spec: NetworkSpec,
    signal: AbortSignal,
    known: { readonly viewExists?: boolean } = {},
  ): Promise<boolean> {
    const { view } = spec;
    const [exists, ofLease, ofNetwork] = await Promise.all([
      known.viewExists ?? this.exists(view, signal),
      this.#leaseElsewhere(view, signal),
      known.viewExists === true ? undefined : this.#networkElsewhere(spec, signal),
    ]);
    const elsewhere = ofLease ?? (exists ? undefined : ofNetwork);
    if (elsewhere === undefined) return exists;
    const { address, view: now, comment } = elsewhere;
    throw new GridError(
      'network-conflict',
      `network view ${view} has been renamed to ${now}, it seems: ${address} is reserved there, "${comment}"`,
      {
        hint: `set network-view to ${now}, or rename the view back; if ${view} is meant to be another view, make the network in it by hand`,
      },
    );
  }

  /**
   * Creates a view that was absent. Another host may be faster.
   * @throws GridError if the grid refuses it and it is not there
   */
  async create(view: string, signal: AbortSignal): Promise<void> {
    const { grid, log } = this.#deps;
    try {
      await grid.create({ view }, signal);
    } catch (error) {
      if (mayExist(error) && (await this.exists(view, signal))) return;
      throw error;
    }
    const hint = 'if it is not meant to be: correct network-view, and remove the view';
    log.warn('created on the grid', { kind: 'network view', name: view, view, hint });
  }

  /** What the state knows to be in this view, and the grid has in another one. */
  async #leaseElsewhere(view: string, signal: AbortSignal): Promise<Reservation | undefined> {
    const { grid, leases } = this.#deps;
    const looks = leases.boundIn(view, maxSamples).map(async ({ mark }) => {
      const { found } = await grid.find(mark, {}, signal);
      return found.find((one) => one.view !== view);
    });
    return (await Promise.all(looks)).find((moved) => moved !== undefined);
  }

  /** What the grid has of this network in another view: the state may be new, or the view that of other hosts. */
  async #networkElsewhere(spec: NetworkSpec, signal: AbortSignal): Promise<Reservation | undefined> {
    const { grid, host } = this.#deps;
    const { name, view, place } = spec;
    const marks = { ...(this.#used.has(view) ? { cluster: host.cluster } : host), network: name };
    const within = place.kind === 'subnet' ? [place.cidr] : place.containers;
    const filter = { marks, families: [familyOfSpec(spec)], ...(place.kind === 'subnet' && { network: place.cidr }) };
    for await (const one of grid.list(filter, signal)) {
      if (one.view === view || parseMark(one.comment) === undefined) continue;
      if (within.some((cidr) => contains(cidr, one.address))) return one;
    }
    return undefined;
  }
}
