/** Looks at the network of one configuration on the grid. Each method is a check's; what several need is asked for once. */

import { type Cidr, contains } from '../../../../infoblox/address.ts';
import { type Origin, parseMark } from '../../../../infoblox/mark.ts';
import { keptBack } from '../../../../infoblox/network/fit.ts';
import { type NetworkOutlook, outlookOf } from '../../../../infoblox/network/outlook.ts';
import { usageOf } from '../../../../infoblox/network/usage.ts';
import { NetworkViews } from '../../../../infoblox/network/views.ts';
import type { WapiClient } from '../../../../infoblox/wapi/client.ts';
import type { DhcpRange, GridInspection } from '../../../../infoblox/wapi/inspection.ts';
import type { GridAccess } from '../../../daemon/grid-access.ts';
import type { NetworkConfiguration } from '../../network-configurations.ts';
import { shared } from '../check.ts';
import type { Verdict } from '../finding.ts';
import { unlessRefused } from '../grid/refusal.ts';
import { hostAddresses } from '../host/own-addresses.ts';
import {
  judgeAddresses,
  judgeGateway,
  judgeOutlook,
  judgeOwnAddresses,
  judgeSharing,
  judgeView,
} from './network-judgements.ts';

/** Reservations that are looked through for other hosts: one page. */
const mostReservations = 1_000;
/** Other hosts that are named. */
const mostHosts = 3;

/** All methods throw GridError, with which an ADD would fail, too. */
export class NetworkLook {
  readonly #configuration: NetworkConfiguration;
  readonly #wapi: WapiClient;
  readonly #inspection: GridInspection;
  readonly #host: Origin;
  readonly #views: NetworkViews;
  readonly #outlook: (signal: AbortSignal) => Promise<NetworkOutlook>;
  readonly #ranges: (signal: AbortSignal) => Promise<DhcpRange[] | undefined>;

  constructor(
    configuration: NetworkConfiguration,
    { grid, host }: { readonly grid: GridAccess; readonly host: Origin },
  ) {
    const { wapi, inspection } = grid;
    this.#configuration = configuration;
    this.#wapi = wapi;
    this.#inspection = inspection;
    this.#host = host;
    // The state is the daemon's.
    const leases = { boundIn: () => [], hasBoundIn: () => false };
    const views = new NetworkViews({ wapi, leases, host });
    this.#views = views;
    this.#outlook = shared((signal) => outlookOf({ wapi, views, leases, inspection }, configuration.spec, signal));
    this.#ranges = shared((signal) => this.#findRanges(signal));
  }

  async view(signal: AbortSignal): Promise<Verdict[]> {
    const { view } = this.#configuration.spec;
    return judgeView(view, await this.#views.exists(view, signal));
  }

  async network(signal: AbortSignal): Promise<Verdict[]> {
    return judgeOutlook(await this.#outlook(signal), this.#configuration.spec);
  }

  /** Nothing is said of a network that is not there yet. */
  async freeAddresses(signal: AbortSignal): Promise<Verdict[]> {
    const found = await this.#outlook(signal);
    if (found.kind !== 'found') return [];
    const { cidr, ref } = found;
    const [usage, hasFree, ranges] = await Promise.all([
      usageOf(this.#inspection, { cidr, view: this.#configuration.spec.view }, signal),
      this.#wapi.hasFreeAddress(ref, signal),
      this.#ranges(signal),
    ]);
    return judgeAddresses({ cidr, used: usage?.used, hasFree, ranges });
  }

  async gateway(signal: AbortSignal): Promise<Verdict[]> {
    const { spec } = this.#configuration;
    const address = await this.#gateway(signal);
    if (address === undefined) return judgeGateway({ spec, address, holder: undefined, status: undefined });
    const [[holder], status] = await Promise.all([
      this.#wapi.findFixedAddresses({ ipv4addr: address, network_view: spec.view }, signal),
      this.#wapi.addressStatus(address, spec.view, signal),
    ]);
    return judgeGateway({ spec, address, holder, status });
  }

  /** The gateway may be one: where this host's bridge has it. */
  async ownAddresses(signal: AbortSignal): Promise<Verdict[]> {
    const cidr = await this.#place(signal);
    if (cidr === undefined) return [];
    const gateway = await this.#gateway(signal);
    const inside = hostAddresses().filter(({ address }) => contains(cidr, address) && address !== gateway);
    const own = inside.map(async (found) => ({ ...found, known: await this.#isKnown(found.address, signal) }));
    return judgeOwnAddresses(await Promise.all(own), { cidr, ranges: await this.#ranges(signal) });
  }

  async otherHosts(signal: AbortSignal): Promise<Verdict[]> {
    const found = await this.#outlook(signal);
    if (found.kind !== 'found') return [];
    const { config } = this.#configuration;
    const gateway = await this.#gateway(signal);
    return judgeSharing(await this.#findOtherHosts(found.cidr, signal), { config, gateway });
  }

  /** That of the grid's network, else of the one that would be created; undefined if only the grid knows where. */
  async #place(signal: AbortSignal): Promise<Cidr | undefined> {
    const found = await this.#outlook(signal);
    if (found.kind === 'found') return found.cidr;
    const { place } = this.#configuration.spec;
    return place.kind === 'subnet' ? place.cidr : undefined;
  }

  async #gateway(signal: AbortSignal): Promise<string | undefined> {
    const cidr = await this.#place(signal);
    return cidr && keptBack(this.#configuration.spec, cidr);
  }

  /** Undefined if the user may not see ranges. */
  async #findRanges(signal: AbortSignal): Promise<DhcpRange[] | undefined> {
    const found = await this.#outlook(signal);
    if (found.kind !== 'found') return [];
    const { view } = this.#configuration.spec;
    return unlessRefused(this.#inspection.ranges(found.cidr.text, view, signal));
  }

  /** Whether the grid takes an address for used; undefined if it does not tell this user. */
  async #isKnown(address: string, signal: AbortSignal): Promise<boolean | undefined> {
    const { view } = this.#configuration.spec;
    const status = await this.#wapi.addressStatus(address, view, signal);
    if (status !== undefined) return status === 'USED';
    const query = { ipv4addr: address, network_view: view };
    if ((await this.#wapi.findFixedAddresses(query, signal)).length > 0) return true;
    const hosts = await unlessRefused(this.#inspection.hostsAt(address, view, signal));
    return hosts && hosts.length > 0;
  }

  /** Names some of the hosts that have addresses in the network, by node and cluster. */
  async #findOtherHosts(cidr: Cidr, signal: AbortSignal): Promise<string[]> {
    const { view } = this.#configuration.spec;
    const { node, cluster } = this.#host;
    const query = { network: cidr.text, network_view: view, 'comment~': '^infoblox-cni cluster=' };
    const found = new Set<string>();
    let looked = 0;
    for await (const { comment } of this.#wapi.listFixedAddresses(query, signal)) {
      const origin = parseMark(comment)?.origin;
      const isOther = origin !== undefined && (origin.node !== node || origin.cluster !== cluster);
      if (isOther) found.add(`${origin.node} in ${origin.cluster}`);
      looked += 1;
      if (looked === mostReservations || found.size === mostHosts) break;
    }
    return [...found];
  }
}
