/**
 * Finds or creates a spec's view, network and gateway once, and remembers them: a further container costs one request.
 * A missing one is forgotten, and found or created again.
 */
import type { Cidr } from '../address.ts';
import { ofNetwork } from '../attributes.ts';
import { abortable, deadline } from '../concurrency/clock.ts';
import { GridError, hasReason, mayExist } from '../errors.ts';
import type { Grid } from '../grid.ts';
import type { Log } from '../log.ts';
import { gatewayMark, isAttachmentMark } from '../mark.ts';
import { keptBack } from './fit.ts';
import { findNamedNetworks, hasDuplicates, isComplete, noteDuplicates } from './named-networks.ts';
import { type AgreementDeps, agreeOnNetwork } from './network-by-name.ts';
import type { NetworkPart } from './part.ts';
import { blockHostOf, ensureRanges } from './ranges.ts';
import { blockSizeOf, type NetworkSpec, specKey } from './spec.ts';
import { findOrCreateSubnet, otherNameOf } from './subnet.ts';
import { type FoundNetwork, hasLeaseIn } from './views.ts';

/** Milliseconds between two looks at a remembered network. */
const lookIntervalMs = 60_000;
/** Milliseconds for one look. */
const lookTimeoutMs = 15_000;
/**
 * Deadline, in milliseconds, for preparing a network. All waiting callers share it, so it does not depend on the time of any of them. If
 * thousands of hosts start at once, each of its requests waits for its turn.
 */
const prepareTimeoutMs = 300_000;

/** A network that is ready for allocations. */
export interface ReadyNetwork {
  readonly cidr: Cidr;
  readonly view: string;
  /** The gateway for containers; absent if the configuration names none. */
  readonly gateway?: string;
  /** The address that is kept from containers, if any. */
  readonly kept?: string;
  /**
   * The part of it from which containers get addresses; default: all. Its intervals are reserved ranges on the grid, or
   * shared in blocks.
   */
  readonly part?: NetworkPart;
  /** Size of this host's blocks in it; 0: no blocks. */
  readonly blockSize: number;
}

/** The memory of a spec. */
interface Memory {
  readonly spec: NetworkSpec;
  readonly ready: Promise<ReadyNetwork>;
  /** Set once it is ready. */
  network?: ReadyNetwork;
  /** When the grid last confirmed that this network is in its place. */
  seenAt: number;
  /** The current look. */
  look?: Promise<boolean> | undefined;
}

export class Networks {
  readonly #deps: AgreementDeps;
  /** By `specKey`. */
  readonly #memory = new Map<string, Memory>();

  constructor(deps: AgreementDeps) {
    this.#deps = deps;
  }

  /**
   * Finds the network of a spec, or creates it. Concurrent callers share the work and its result; failures are not
   * remembered.
   * @throws GridError `network-conflict`, `no-free-network`, `invalid-spec`, `timeout`, or the grid's answer
   */
  ensure(spec: NetworkSpec, signal: AbortSignal): Promise<ReadyNetwork> {
    const { ready } = this.#memory.get(specKey(spec)) ?? this.#remember(spec);
    return abortable(ready, signal, () => {
      return new GridError('timeout', `network ${spec.name} could not be set up in the grid in time`, {
        hint: 'see the log of the daemon for the state of the grid; --add-timeout sets the time',
      });
    });
  }

  /**
   * Tells whether the remembered network of a spec is still in its place. If it was replaced by another one, the grid
   * would allocate from that one just as well, so each create checks this. The grid is asked at most once a minute, and
   * only if this host has no bound lease in the network. Concurrent callers share the look.
   * @param network the result of `ensure`
   * @returns false if there is another network or none, or it was forgotten; true if neither grid nor state tells: a
   * caller that has sent a create has to wait for its answer
   */
  async isInPlace(spec: NetworkSpec, network: ReadyNetwork, signal: AbortSignal): Promise<boolean> {
    const memory = this.#memory.get(specKey(spec));
    if (memory?.network !== network) return false;
    try {
      if (memory.look === undefined && !this.#isLookDue(memory, network)) return true;
      memory.look ??= this.#look(memory, network);
      return await abortable(memory.look, signal, () => new GridError('timeout', 'the caller left'));
    } catch (error) {
      if (!(error instanceof GridError)) throw error;
      return true;
    }
  }

  /** Forgets a network after something of it was not found: the next call looks it up again. */
  forget(spec: NetworkSpec): void {
    this.#memory.delete(specKey(spec));
  }

  /** Returns the network of a spec if it is known; does not ask the grid. */
  known(spec: NetworkSpec): ReadyNetwork | undefined {
    return this.#memory.get(specKey(spec))?.network;
  }

  /** Lists the known networks, with their names in configurations. */
  all(): { readonly name: string; readonly network: ReadyNetwork }[] {
    const memories = [...this.#memory.values()];
    return memories.flatMap(({ spec, network }) => (network === undefined ? [] : [{ name: spec.name, network }]));
  }

  #remember(spec: NetworkSpec): Memory {
    const { clock } = this.#deps;
    const memory: Memory = { spec, ready: this.#prepare(spec, deadline(clock, prepareTimeoutMs)), seenAt: 0 };
    this.#memory.set(specKey(spec), memory);
    memory.ready.then(
      (network) => {
        memory.network = network;
        memory.seenAt = clock.now();
      },
      () => this.#drop(memory),
    );
    return memory;
  }

  /** Forgets this memory, but not a newer one of the same spec. */
  #drop(memory: Memory): void {
    const key = specKey(memory.spec);
    if (this.#memory.get(key) === memory) this.#memory.delete(key);
  }

  #isLookDue({ spec, seenAt }: Memory, { cidr }: ReadyNetwork): boolean {
    const { clock, leases, conditions } = this.#deps;
    if (clock.now() - seenAt < lookIntervalMs) return false;
    // A bound lease shows that the network is there, and only a look that no other one has its name.
    return !hasLeaseIn(leases, spec, cidr) || hasDuplicates(conditions, spec);
  }

  async #look(memory: Memory, network: ReadyNetwork): Promise<boolean> {
    const { clock } = this.#deps;
    const askedAt = clock.now();
    try {
      const isInPlace = await this.#isNamed(memory.spec, network, deadline(clock, lookTimeoutMs));
      if (isInPlace) memory.seenAt = askedAt;
      else this.#drop(memory);
      return isInPlace;
    } finally {
      memory.look = undefined;
    }
  }

  /** Tells whether the grid has a usable network of the spec in this place. */
  async #isNamed(spec: NetworkSpec, { cidr, view }: ReadyNetwork, signal: AbortSignal): Promise<boolean> {
    const { grid, conditions } = this.#deps;
    if (hasDuplicates(conditions, spec)) {
      const { complete } = await findNamedNetworks(grid, spec, signal);
      noteDuplicates(conditions, { complete, used: cidr.text }, spec);
      return complete.some((one) => one.cidr.text === cidr.text);
    }
    const found = await grid.networkAt({ cidr, view }, signal);
    if (found === undefined) return false;
    return spec.place.kind === 'subnet' ? otherNameOf(found, spec.name) === undefined : isComplete(found, spec.name);
  }

  async #prepare({ place, ...spec }: NetworkSpec, signal: AbortSignal): Promise<ReadyNetwork> {
    const prepare = (found: FoundNetwork) => this.#keepGateway({ ...spec, place }, found, signal);
    // A new network's gateway is reserved during the confirmation. A host that finds the network confirmed earlier
    // reserves the same gateway before it takes an address. A host that is configured without the gateway may take that
    // address; then the grid refuses this reservation as a conflict.
    if (place.kind === 'container') return agreeOnNetwork(this.#deps, { spec: { ...spec, place }, prepare }, signal);
    const found = await findOrCreateSubnet(this.#deps, { ...spec, place }, signal);
    if (found.cidr.text === place.cidr.text) return prepare(found);
    throw new GridError('bad-answer', `the grid answered ${found.cidr.text}, asked for network ${place.cidr.text}`);
  }

  async #keepGateway(spec: NetworkSpec, { cidr, isNew }: FoundNetwork, signal: AbortSignal): Promise<ReadyNetwork> {
    const { name, view } = spec;
    const { grid, usedViews, log } = this.#deps;
    usedViews.add(view);
    const ready = readyIn(spec, cidr);
    const { kept: address } = ready;
    if (address !== undefined) {
      await reserveGateway({ grid, log }, { address, view, cidr, name, isNetworkNew: isNew }, signal);
    }
    const { part, create } = spec;
    if (part.intervals.length === 0) return ready;
    const wanted = { name, view, network: cidr, wanted: part.intervals, takesBlocks: spec.blockSize > 0, create };
    const intervals = await ensureRanges({ grid, log }, wanted, signal);
    return intervals === undefined ? ready : { ...ready, part: { ...part, intervals }, blockSize: 0 };
  }
}

/**
 * Applies a spec to a network.
 * @throws GridError `invalid-spec` if its gateway is not valid there
 */
export function readyIn(spec: NetworkSpec, cidr: Cidr): ReadyNetwork {
  const { view, gateway, part } = spec;
  const kept = keptBack(spec, cidr);
  return {
    cidr,
    view,
    blockSize: blockSizeOf(spec),
    ...(kept === undefined ? {} : { kept }),
    ...(kept === undefined || gateway === undefined ? {} : { gateway: kept }),
    ...(part.intervals.length + part.excluded.length === 0 ? {} : { part }),
  };
}

/** The name of a reservation that keeps an address from containers. */
export const gatewayName = 'gateway';

interface Gateway {
  readonly address: string;
  readonly view: string;
  readonly cidr: Cidr;
  /** The network's name. */
  readonly name: string;
  /** This daemon has just created the network: reserve without a look first. */
  readonly isNetworkNew: boolean;
}

/**
 * Reserves the gateway's address; it is enough if anything but a container holds it. If a container has got it
 * meanwhile, the create conflicts with that reservation: an address can be reserved once in a view.
 * @throws GridError `network-conflict` if a container has it, or the grid's answer
 */
async function reserveGateway(
  { grid, log }: { readonly grid: Grid; readonly log: Pick<Log, 'info'> },
  gateway: Gateway,
  signal: AbortSignal,
): Promise<void> {
  const { address, view, cidr, name, isNetworkNew } = gateway;
  const described = { comment: gatewayMark(name), name: gatewayName, attributes: ofNetwork(name) };
  const create = async () => {
    await grid.reserve({ source: { view, address }, ...described }, signal);
    log.info('created on the grid', { kind: 'gateway', name: address, view });
  };
  if (!isNetworkNew) {
    if (await isHeld(grid, gateway, signal)) return;
    const host = await blockHostOf(grid, { address, network: cidr, view }, signal);
    if (host !== undefined) {
      throw new GridError('network-conflict', `gateway ${address} of network ${name} lies in a block of host ${host}`, {
        hint: 'choose another gateway, or have that host give its blocks back',
      });
    }
  }
  await create().catch(async (error) => {
    if (!mayExist(error)) throw error;
    const isThere = await isHeld(grid, gateway, signal);
    // Another object may hold it, a host record for example: that is enough.
    if (!isThere && !hasReason(error, 'conflict')) throw error;
  });
}

/**
 * Tells whether a fixed address holds the address.
 * @throws GridError `network-conflict` if it is a container's
 */
async function isHeld(grid: Grid, { address, view, name }: Gateway, signal: AbortSignal): Promise<boolean> {
  const [holder] = await grid.at(address, view, signal);
  if (holder === undefined || !isAttachmentMark(holder.comment)) return holder !== undefined;
  throw new GridError('network-conflict', `gateway ${address} of network ${name} is held by a container`, {
    hint: `choose another gateway, or stop that container: ${holder.comment}`,
  });
}
