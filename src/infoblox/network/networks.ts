/**
 * Finds or creates what a spec asks for - view, network, gateway - once, and remembers it, so that a further container costs
 * one request. What turns out to be gone is forgotten, and found or created again.
 */
import type { Cidr } from '../address.ts';
import { abortable } from '../concurrency/abortable.ts';
import { type Clock, deadline } from '../concurrency/clock.ts';
import type { Conditions } from '../conditions.ts';
import { GridError, hasReason, mayExist } from '../errors.ts';
import { isAttachmentMark } from '../mark.ts';
import type { WapiClient } from '../wapi/client.ts';
import { keptBack } from './fit.ts';
import { agreeOnNetwork, cidrOf, confirmNetwork } from './network-by-name.ts';
import { type NetworkSpec, type SpecOf, specKey } from './spec.ts';
import { findOrCreateSubnet } from './subnet.ts';
import type { FoundNetwork, NetworkDeps } from './views.ts';

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

/** A network that is known, and the name by which configurations ask for it. */
interface KnownNetwork {
  readonly name: string;
  readonly network: ReadyNetwork;
}

interface NetworksDeps extends NetworkDeps {
  readonly clock: Clock;
  readonly conditions: Conditions;
}

export class Networks {
  readonly #deps: NetworksDeps;
  readonly #ready = new Map<string, Promise<ReadyNetwork>>();
  readonly #known = new Map<string, KnownNetwork>();

  constructor(deps: NetworksDeps) {
    this.#deps = deps;
  }

  /**
   * Finds the network of a spec, or creates it. Callers that come meanwhile share the work and its result; a failure is
   * not remembered.
   * @throws GridError `network-conflict`, `no-free-network`, `invalid-spec`, `timeout`, or what the grid answered
   */
  ensure(spec: NetworkSpec, signal: AbortSignal): Promise<ReadyNetwork> {
    const key = specKey(spec);
    let ready = this.#ready.get(key);
    if (ready === undefined) {
      ready = this.#prepare(spec, deadline(this.#deps.clock, budget));
      this.#ready.set(key, ready);
      ready.then(
        (network) => this.#known.set(key, { name: spec.name, network }),
        () => this.#ready.delete(key),
      );
    }
    return abortable(ready, signal, () => {
      return new GridError('timeout', `network ${spec.name} could not be set up in the grid in time`, {
        hint: 'see the log of the daemon for what the grid does; --add-timeout sets the time',
      });
    });
  }

  /** Forgets a network of which something was not found: it is looked for again the next time. */
  forget(spec: NetworkSpec): void {
    this.#ready.delete(specKey(spec));
    this.#known.delete(specKey(spec));
  }

  /** Returns the network of a spec if it is known, without asking the grid. */
  known(spec: NetworkSpec): ReadyNetwork | undefined {
    return this.#known.get(specKey(spec))?.network;
  }

  /** All networks that are known. */
  all(): KnownNetwork[] {
    return [...this.#known.values()];
  }

  #prepare({ place, ...spec }: NetworkSpec, signal: AbortSignal): Promise<ReadyNetwork> {
    return place.kind === 'subnet'
      ? this.#prepareSubnet({ ...spec, place }, signal)
      : this.#prepareByName({ ...spec, place }, signal);
  }

  async #prepareSubnet(spec: SpecOf<'subnet'>, signal: AbortSignal): Promise<ReadyNetwork> {
    const { network, isNew } = await findOrCreateSubnet(this.#deps, spec, signal);
    if (network.network !== spec.place.cidr.text) {
      const asked = spec.place.cidr.text;
      throw new GridError('bad-answer', `the grid answered ${network.network}, asked for network ${asked}`);
    }
    return this.#keepGateway(spec, { network, isNew }, signal);
  }

  /**
   * A network that has to be confirmed gets its gateway reserved at the same time. Who finds it confirmed before that has
   * been carried out reserves the same gateway before taking an address; who is configured without one may take that very
   * address, and then this reservation collides with it and is refused.
   */
  async #prepareByName(spec: SpecOf<'container'>, signal: AbortSignal): Promise<ReadyNetwork> {
    for (;;) {
      const { network, isNew } = await agreeOnNetwork(this.#deps, spec, signal);
      const ready = this.#keepGateway(spec, { network, isNew }, signal);
      if (!isNew) return ready;
      const [confirmation] = await Promise.allSettled([
        confirmNetwork(this.#deps, { network, name: spec.name }, signal),
        ready,
      ]);
      if (confirmation.status === 'rejected') throw confirmation.reason;
      if (confirmation.value) return ready;
    }
  }

  async #keepGateway(spec: NetworkSpec, { network, isNew }: FoundNetwork, signal: AbortSignal): Promise<ReadyNetwork> {
    const { name, view } = spec;
    const cidr = cidrOf(network);
    this.#deps.views.noteUsed(view);
    const ready = { ref: network._ref, cidr, view };
    const address = keptBack(spec, cidr);
    if (address === undefined) return ready;
    await reserveGateway({ ...this.#deps, address, view, name, isNetworkNew: isNew }, signal);
    return { ...ready, kept: address, ...(spec.gateway === undefined ? {} : { gateway: address }) };
  }
}

interface GatewayReservation {
  readonly wapi: WapiClient;
  readonly address: string;
  readonly view: string;
  /** The network's name. */
  readonly name: string;
  /** This daemon has just created the network: it is tried before it is looked at. */
  readonly isNetworkNew: boolean;
}

/**
 * Reserves the address, unless it is taken by anything but a container. Whoever gave it to a container meanwhile, the
 * create collides with that reservation: an address has one in its view.
 * @throws GridError `network-conflict` if a container has it, or what the grid answered
 */
export async function reserveGateway(reservation: GatewayReservation, signal: AbortSignal): Promise<void> {
  const { wapi, address, view, name, isNetworkNew } = reservation;
  const create = () => wapi.createGateway({ address, view, network: name }, signal);
  if (!isNetworkNew && (await isHeld(reservation, signal))) return;
  try {
    return await create();
  } catch (error) {
    if (!mayExist(error)) throw error;
  }
  if (await isHeld(reservation, signal)) return;
  await create().catch((error) => {
    // Taken by something that is no fixed address, a host record say: taken is all that is needed.
    if (!hasReason(error, 'conflict')) throw error;
  });
}

/** Tells whether a fixed address has the place. @throws GridError `network-conflict` if it is a container's */
async function isHeld({ wapi, address, view, name }: GatewayReservation, signal: AbortSignal): Promise<boolean> {
  const [holder] = await wapi.findFixedAddresses({ ipv4addr: address, network_view: view }, signal);
  if (holder === undefined || !isAttachmentMark(holder.comment)) return holder !== undefined;
  throw new GridError('network-conflict', `gateway ${address} of network ${name} is held by a container`, {
    hint: `choose another gateway, or stop that container: ${holder.comment}`,
  });
}
