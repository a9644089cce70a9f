/**
 * Network views, created when they are absent, unless they are absent only because somebody has renamed them: containers
 * use addresses in such a view, and a network in a new view of the old name would give them out a second time.
 */
import { type Cidr, contains } from '../address.ts';
import { GridError, mayExist } from '../errors.ts';
import { clusterPattern, networkPrefix, type Origin, parseMark } from '../mark.ts';
import type { WapiClient } from '../wapi/client.ts';
import { beginsWith } from '../wapi/paged-search.ts';
import type { FixedAddress, Network } from '../wapi/schemas.ts';
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
  readonly wapi: WapiClient;
  readonly leases: BoundLeases;
  readonly host: Origin;
}

/** What finding and creating networks needs. */
export interface NetworkDeps {
  readonly wapi: WapiClient;
  readonly views: NetworkViews;
  readonly leases: BoundLeases;
}

/** A network that was found or created. */
export interface FoundNetwork {
  readonly network: Network;
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
    return this.#deps.wapi.exists('networkview', { name: view }, signal);
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
    const { ipv4addr, network_view, comment } = elsewhere;
    throw new GridError(
      'network-conflict',
      `network view ${view} has been renamed to ${network_view}, it seems: ${ipv4addr} is reserved there, "${comment}"`,
      {
        hint: `set network-view to ${network_view}, or rename the view back; if ${view} is meant to be another view, make the network in it by hand`,
      },
    );
  }

  /**
   * Creates a view that was absent. Another host may be faster.
   * @throws GridError if the grid refuses it and it is not there
   */
  async create(view: string, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.wapi.createView(view, signal);
    } catch (error) {
      if (!mayExist(error) || !(await this.exists(view, signal))) throw error;
    }
  }

  /** What the state knows to be in this view, and the grid has in another one. */
  async #leaseElsewhere(view: string, signal: AbortSignal): Promise<FixedAddress | undefined> {
    const { wapi, leases } = this.#deps;
    const looks = leases.boundIn(view, maxSamples).map(async ({ mark }) => {
      const found = await wapi.findFixedAddresses({ comment: mark }, signal);
      return found.find((object) => object.comment === mark && object.network_view !== view);
    });
    return (await Promise.all(looks)).find((moved) => moved !== undefined);
  }

  /** What the grid has of this network in another view: the state may be new, or the view that of other hosts. */
  async #networkElsewhere({ name, view, place }: NetworkSpec, signal: AbortSignal): Promise<FixedAddress | undefined> {
    const { wapi, host } = this.#deps;
    const expression = this.#used.has(view) ? clusterPattern(host, name) : beginsWith(networkPrefix(host, name));
    const [within, where] =
      place.kind === 'subnet' ? [[place.cidr], { network: place.cidr.text }] : [place.containers, {}];
    for await (const object of wapi.listFixedAddresses({ 'comment~': expression, ...where }, signal)) {
      if (object.network_view === view || parseMark(object.comment) === undefined) continue;
      if (within.some((cidr) => contains(cidr, object.ipv4addr))) return object;
    }
    return undefined;
  }
}
