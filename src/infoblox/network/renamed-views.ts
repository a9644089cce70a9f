/**
 * Keeps networks from being made in a view that is absent only because somebody has renamed it: containers live on
 * addresses in it, and a new network in a new view of the old name would give them out a second time.
 */

import { contains } from '../address.ts';
import { GridError } from '../errors.ts';
import { clusterPattern, networkPrefix, type Origin, parseMark } from '../mark.ts';
import { beginsWith, type WapiClient } from '../wapi/client.ts';
import type { FixedAddress } from '../wapi/schemas.ts';
import type { NetworkSpec } from './spec.ts';

/** Reservations of this host that are looked for: one may have been deleted by hand, not all. */
const samples = 3;

/** A network that is about to be made. */
export interface Making {
  /** The network's name. */
  readonly name: string;
  readonly view: string;
  /** The network itself, or where it will be taken from. */
  readonly source: NetworkSpec['source'];
  /** Whether this daemon has used the view before: then what other hosts have in another one counts, too. */
  readonly usedBefore: boolean;
}

export interface RenamedViewsDeps {
  readonly grid: WapiClient;
  /** Some of the marks that this host has in a view. */
  readonly marksIn: (view: string, limit: number) => readonly string[];
  readonly host: Origin;
}

export class RenamedViews {
  readonly #deps: RenamedViewsDeps;

  constructor(parts: RenamedViewsDeps) {
    this.#deps = parts;
  }

  /**
   * What tells: a reservation that this host made in this view is in another one; or containers of this network have
   * addresses where it is to be made, in another view.
   * @throws GridError `network-conflict` naming the other view
   */
  async refuse(making: Making, signal: AbortSignal): Promise<void> {
    const elsewhere = (await this.#ofThisView(making, signal)) ?? (await this.#ofThisNetwork(making, signal));
    if (elsewhere === undefined) return;
    const { ipv4addr, network_view, comment } = elsewhere;
    throw new GridError(
      'network-conflict',
      `network view ${making.view} has been renamed to ${network_view}, it seems: ${ipv4addr} is reserved there, "${comment}"`,
      {
        hint: `set network-view to ${network_view}, or rename the view back; if ${making.view} is meant to be another view, make the network in it by hand`,
      },
    );
  }

  /** What the state knows to be in this view, and the grid has in another one. */
  async #ofThisView({ view }: Making, signal: AbortSignal): Promise<FixedAddress | undefined> {
    for (const mark of this.#deps.marksIn(view, samples)) {
      const found = await this.#deps.grid.findFixedAddresses({ comment: mark }, signal);
      const moved = found.find((object) => object.comment === mark && object.network_view !== view);
      if (moved !== undefined) return moved;
    }
    return undefined;
  }

  /** What the grid has of this network in another view: the state may be new, or the view that of other hosts. */
  async #ofThisNetwork(making: Making, signal: AbortSignal): Promise<FixedAddress | undefined> {
    const { name, view, source, usedBefore } = making;
    const origin = this.#deps.host;
    const expression = usedBefore ? clusterPattern(origin, name) : beginsWith(networkPrefix(origin, name));
    const [within, place] =
      source.kind === 'subnet' ? [[source.cidr], { network: source.cidr.text }] : [source.containers, {}];
    for await (const object of this.#deps.grid.listFixedAddresses({ 'comment~': expression, ...place }, signal)) {
      if (object.network_view === view || parseMark(object.comment) === undefined) continue;
      if (within.some((cidr) => contains(cidr, object.ipv4addr))) return object;
    }
    return undefined;
  }
}
