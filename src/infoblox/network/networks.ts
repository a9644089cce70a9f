/**
 * Makes sure that a network is there as its policy wants it - view, network, kept-back addresses - once, and remembers
 * it, so that a container costs one request. What turns out to be gone is forgotten and made sure of again.
 */

import { type Cidr, overlaps, parseCidr } from '../address.ts';
import { type ExtensibleAttributes, networkNameAttribute } from '../attributes.ts';
import { abortable } from '../concurrency/abortable.ts';
import { GridError, hasReason, mayExist } from '../errors.ts';
import { gatewayMark, isAttachmentMark, namedInComment, networkMark, shortNetworkName } from '../mark.ts';
import type { WapiClient } from '../wapi/client.ts';
import type { Network } from '../wapi/schemas.ts';
import { findNamedNetworks, findOrMakeNetwork } from './network-by-name.ts';
import type { Making, RenamedViews } from './renamed-views.ts';
import { keptBack, type NetworkSpec, refuseStrayGateway } from './spec.ts';
import { ensureView } from './views.ts';

/** Milliseconds for making sure of a network; shared by all who wait for it, so not the budget of any one of them. */
const budget = 25_000;

/** A network that addresses can be taken from. */
export interface ReadyNetwork {
  readonly ref: string;
  readonly cidr: Cidr;
  readonly view: string;
  /** The gateway to tell containers; absent if the configuration names none. */
  readonly gateway?: string;
  /** The address that is kept from containers, if there is one. */
  readonly kept?: string;
}

export class Networks {
  readonly #wapi: WapiClient;
  readonly #labels: ExtensibleAttributes;
  readonly #renamedViews: RenamedViews;
  readonly #usedViews = new Set<string>();
  readonly #ready = new Map<string, Promise<ReadyNetwork>>();
  readonly #known = new Map<string, ReadyNetwork>();

  constructor(grid: WapiClient, labels: ExtensibleAttributes, renamedViews: RenamedViews) {
    this.#wapi = grid;
    this.#labels = labels;
    this.#renamedViews = renamedViews;
  }

  /**
   * The network of a policy, made if absent. Callers that come while it is being made share the work and its result;
   * a failure is not remembered.
   * @throws GridError `network-conflict`, `no-free-network`, `invalid-spec`, or what the grid answered
   */
  ensure(spec: NetworkSpec, signal: AbortSignal): Promise<ReadyNetwork> {
    const key = JSON.stringify(spec);
    let ready = this.#ready.get(key);
    if (ready === undefined) {
      ready = this.#make(spec, AbortSignal.timeout(budget));
      this.#ready.set(key, ready);
      ready.then(
        (network) => this.#known.set(key, network),
        () => this.#ready.delete(key),
      );
    }
    return abortable(ready, signal, () => {
      return new GridError('timeout', `network ${spec.name} could not be set up in the grid in time`, {
        hint: 'see the log of the daemon for what the grid does; --add-timeout sets the time',
      });
    });
  }

  /** Something of this network was not found: look again the next time. */
  forget(spec: NetworkSpec): void {
    this.#ready.delete(JSON.stringify(spec));
    this.#known.delete(JSON.stringify(spec));
  }

  /** The network of a policy, if it is known without asking the grid. */
  known(spec: NetworkSpec): ReadyNetwork | undefined {
    return this.#known.get(JSON.stringify(spec));
  }

  async #make(spec: NetworkSpec, signal: AbortSignal): Promise<ReadyNetwork> {
    const { name, view, source } = spec;
    const making = { name, view, source, usedBefore: this.#usedViews.has(view) };
    const network =
      source.kind === 'subnet'
        ? await this.#ensureSubnet(making, source.cidr, signal)
        : await findOrMakeNetwork(
            {
              grid: this.#wapi,
              labels: this.#labels,
              name,
              view,
              containers: source.containers,
              prefixLength: source.prefixLength,
              beforeMaking: async () => {
                refuseStrayGateway(spec);
                await this.#renamedViews.refuse(making, signal);
              },
            },
            signal,
          );
    const cidr = parseCidr(network.network);
    if (cidr === undefined) throw new GridError('bad-answer', `the grid calls a network "${network.network}"`);
    if (source.kind === 'subnet' && cidr.text !== source.cidr.text) {
      throw new GridError('bad-answer', `the grid answered ${cidr.text}, asked for network ${source.cidr.text}`);
    }
    this.#usedViews.add(view);
    const kept = keptBack(spec, cidr);
    if (kept !== undefined) await this.#keepBack(kept, name, view, signal);
    return {
      ref: network._ref,
      cidr,
      view,
      ...(kept === undefined ? {} : { kept }),
      ...(kept === undefined || spec.gateway === undefined ? {} : { gateway: kept }),
    };
  }

  async #ensureSubnet(making: Making, cidr: Cidr, signal: AbortSignal): Promise<Network> {
    const { name, view } = making;
    await this.#refuseOtherNetworkOfName(name, view, cidr, signal);
    for (let tries = 0; ; tries += 1) {
      const [found] = await this.#wapi.findNetworks({ network: cidr.text, network_view: view }, signal);
      if (found !== undefined) {
        refuseOtherName(found, name, view);
        return found;
      }
      await this.#renamedViews.refuse(making, signal);
      await ensureView(this.#wapi, view, signal);
      await this.#refuseOverlap(cidr, view, signal);
      try {
        const labels = () => this.#labels.forNetwork(name);
        return await this.#wapi.createNetwork(cidr.text, view, networkMark(name), labels, signal);
      } catch (error) {
        // Another host was faster, or the answer was lost: the network itself tells.
        if (!mayExist(error) || tries > 0) throw asConflict(error, cidr, view);
      }
    }
  }

  /** Two networks of one name and different subnets are a mistake in one of the configurations. */
  async #refuseOtherNetworkOfName(name: string, view: string, cidr: Cidr, signal: AbortSignal): Promise<void> {
    const { complete } = await findNamedNetworks({ grid: this.#wapi, labels: this.#labels, name, view }, signal);
    const [other] = complete;
    if (other === undefined || complete.some((network) => network.network === cidr.text)) return;
    throw new GridError('network-conflict', `network ${name} is ${other.network} in view ${view}, not ${cidr.text}`, {
      hint: 'give the configuration another name, or the subnet that the grid has for this one',
    });
  }

  /**
   * A network inside a network turns the outer one into a container, and its reservations are gone (WAPI); so neither is
   * created when the other is there.
   */
  async #refuseOverlap(cidr: Cidr, view: string, signal: AbortSignal): Promise<void> {
    const refuse = (network: string) => {
      const other = parseCidr(network);
      if (other !== undefined && other.text !== cidr.text && overlaps(other, cidr)) {
        throw new GridError('network-conflict', `${cidr.text} overlaps the network ${network} in view ${view}`, {
          hint: `use ${network}, or a subnet of its own`,
        });
      }
    };
    const outer = await this.#wapi.findNetworks({ contains_address: cidr.base, network_view: view }, signal);
    for (const { network } of outer) refuse(network);
    const octets = cidr.base.split('.').slice(0, Math.floor(cidr.prefix / 8));
    const inside = octets.length === 0 ? {} : { 'network~': `^${octets.join('\\.')}\\.` };
    for await (const network of this.#wapi.listNetworks({ ...inside, network_view: view }, signal)) refuse(network);
  }

  /** Reserves an address that nobody must be given: the gateway, or the one that a bridge takes for itself. */
  async #keepBack(address: string, name: string, view: string, signal: AbortSignal): Promise<void> {
    for (let tries = 0; ; tries += 1) {
      const [holder] = await this.#wapi.findFixedAddresses({ ipv4addr: address, network_view: view }, signal);
      if (holder !== undefined) {
        if (!isAttachmentMark(holder.comment)) return;
        throw new GridError('network-conflict', `gateway ${address} of network ${name} is held by a container`, {
          hint: `choose another gateway, or stop that container: ${holder.comment}`,
        });
      }
      try {
        const labels = () => this.#labels.forNetwork(name);
        await this.#wapi.createGateway(address, view, gatewayMark(name), labels, signal);
        return;
      } catch (error) {
        // Taken by something that is no fixed address, a host record say: taken is all that is needed.
        if (tries > 0 && hasReason(error, 'conflict')) return;
        if (tries > 0 || !mayExist(error)) throw error;
      }
    }
  }
}

function refuseOtherName(network: Network, name: string, view: string): void {
  const label = network.extattrs[networkNameAttribute]?.value;
  const labels = label === undefined ? [] : [label].flat().map(String);
  const inComment = namedInComment(network.comment);
  const mine = labels.includes(name) || (labels.length === 0 && (inComment ?? '') === shortNetworkName(name));
  if (mine || (labels.length === 0 && inComment === undefined)) return;
  throw new GridError(
    'network-conflict',
    `network ${network.network} in view ${view} belongs to the network name ${labels[0] ?? inComment}, not ${name}`,
    {
      hint: 'give the configuration that name or another subnet, or correct the label "Network Name" or the comment of that network in the grid',
    },
  );
}

function asConflict(error: unknown, cidr: Cidr, view: string): unknown {
  if (!hasReason(error, 'conflict')) return error;
  return new GridError('network-conflict', `cannot create ${cidr.text} in view ${view}: ${error.message}`, {
    hint: 'the grid has something else there, a network container say: choose another subnet',
    cause: error,
  });
}
