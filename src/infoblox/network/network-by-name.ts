/**
 * A network for a name, taken from network containers: all hosts that use the name share one network, also when many of
 * them start at the same instant.
 *
 * The grid has no lock, so agreement is made of two facts: a network's CIDR is unique in its view, and reads see every
 * write that was answered before. A creator marks its network as pending, then looks at all networks of the name:
 *  - one that is complete is there: use it, remove mine;
 *  - mine is the only one: confirm it (of two creators each looks after its own create, so at most one sees itself alone);
 *  - others are pending too: the one with the lowest address waits for them to yield, all others yield.
 * Nobody takes addresses from a pending network, so yielding deletes nothing that is in use. What is being deleted is marked as
 * given up before: it is pending for nobody any more.
 */
import { type Cidr, compareAddresses, isInside, parseCidr } from '../address.ts';
import { attributedName, networkNameAttribute } from '../attributes.ts';
import { pauseBefore } from '../concurrency/backoff.ts';
import type { Clock } from '../concurrency/clock.ts';
import type { Conditions } from '../conditions.ts';
import { GridError, hasReason } from '../errors.ts';
import {
  gatewayMark,
  namedInComment,
  networkMark,
  pendingNetworkMark,
  shortNetworkName,
  yieldedNetworkMark,
} from '../mark.ts';
import type { WapiClient } from '../wapi/client.ts';
import { beginsWith } from '../wapi/paged-search.ts';
import { pauseBeforeLook } from '../wapi/retry.ts';
import type { Network } from '../wapi/schemas.ts';
import type { Sighted, SightedObject } from '../wapi/sighting.ts';
import { createNextNetwork, readSurroundings } from './next-network.ts';
import type { NetworkSpec, SpecOf } from './spec.ts';
import type { BoundLeases, FoundNetwork, NetworkDeps } from './views.ts';

/** Milliseconds without any change after which the pending networks of a name belong to creators that died. */
const abandonedAfter = 8_000;
/** Between looks while others are at work. */
const lookPause = { first: 40, longest: 800 };

/** What agreeing on a network needs. */
interface AgreementDeps extends NetworkDeps {
  readonly clock: Clock;
  readonly conditions: Conditions;
}

export interface NamedNetworks {
  /** The lowest address first, or the preferred one. */
  readonly complete: readonly Sighted<Network>[];
  /** Created for the name and not confirmed yet; the lowest address first. */
  readonly pending: readonly Sighted<Network>[];
}

/**
 * Looks for the networks of a name in one view: by our comment, and by the extensible attribute that administrators and
 * the original driver write. What people have added to the comment does not matter: the search is by its beginning.
 * A network that is confirmed between the two searches shows up in both lists, never in none, whichever comes first: the
 * search by comment finds it before and after.
 */
export async function findNamedNetworks(
  wapi: WapiClient,
  { name, view }: Pick<NetworkSpec, 'name' | 'view'>,
  signal: AbortSignal,
): Promise<NamedNetworks> {
  const [commented, attributed] = await Promise.all([
    wapi.findNetworks({ 'comment~': beginsWith(networkMark(name)), network_view: view }, signal),
    wapi.findNetworksNamed(name, view, signal),
  ]);
  const marked = commented.filter(({ comment }) => namedInComment(comment) === shortNetworkName(name));
  const complete = [...marked, ...attributed].filter((network) => !isIncomplete(network, name));
  return {
    complete: [...new Map(complete.map((network) => [network._ref, network])).values()].sort(byAddress),
    pending: marked.filter(({ comment }) => comment === pendingNetworkMark(name)).sort(byAddress),
  };
}

/** Tells whether a network is one that `findNamedNetworks` calls complete. */
export function isComplete(network: Network, name: string): boolean {
  const isNamed =
    namedInComment(network.comment) === shortNetworkName(name) ||
    attributedNames(network).includes(attributedName(name));
  return isNamed && !isIncomplete(network, name);
}

function isIncomplete({ comment }: Network, name: string): boolean {
  return comment === pendingNetworkMark(name) || comment === yieldedNetworkMark(name);
}

/** Reads the names that a network has in its extensible attribute, which may be a list. */
export function attributedNames({ extattrs }: Network): string[] {
  const value = extattrs[networkNameAttribute]?.value;
  return value === undefined ? [] : [value].flat().map(String);
}

/**
 * Orders the complete networks of a name as they come into question: those inside the network containers before all others,
 * then those that this host has leases in, then by address, so that hosts without leases agree.
 */
export function byPreference<N extends Network>(
  complete: readonly N[],
  { name, view, place }: SpecOf<'container'>,
  leases: Pick<BoundLeases, 'hasBoundIn'>,
): N[] {
  if (complete.length < 2) return [...complete];
  const ranked = complete.map((network) => {
    const cidr = cidrOf(network);
    const isLeased = leases.hasBoundIn({ name: shortNetworkName(name), view, cidr });
    return { network, rank: (isInAny(place.containers, cidr) ? 0 : 2) + (isLeased ? 0 : 1) };
  });
  // Equal ones keep their order, by address.
  return ranked.sort((one, other) => one.rank - other.rank).map(({ network }) => network);
}

/**
 * Refuses a network that lies in none of the containers: whoever may create networks on the grid can give any of them a name.
 * @throws GridError `network-conflict`
 */
export function refuseOutsideContainers(network: Network, { name, view, place }: SpecOf<'container'>): void {
  const cidr = cidrOf(network);
  if (isInAny(place.containers, cidr)) return;
  const containers = place.containers.map(({ text }) => text).join(', ');
  throw new GridError(
    'network-conflict',
    `network ${name} is ${cidr.text} in view ${view}, outside the network containers ${containers}`,
    {
      hint: `if that network is meant, set subnet to ${cidr.text} or name a container of it in network-container; else take the name off it, in its comment and its extensible attribute "${networkNameAttribute}"`,
    },
  );
}

/** The complete networks of a name, the lowest address first, and the CIDR of the one that this host uses. */
interface NetworksInUse {
  readonly complete: readonly Network[];
  readonly used: string | undefined;
}

/** Says that several networks have one name. @returns undefined if there is no more than one */
export function duplicateError(
  { complete, used }: NetworksInUse,
  { name, view }: Pick<NetworkSpec, 'name' | 'view'>,
): GridError | undefined {
  if (complete.length < 2) return undefined;
  const all = complete.map(({ network }) => network);
  const listed = `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;
  return new GridError('network-conflict', `network ${name} is ${listed} in view ${view}; this host uses ${used}`, {
    hint: `leave the name to one of them: take it out of the comment and the extensible attribute "${networkNameAttribute}" of the others, those in which the fewest containers have addresses`,
  });
}

/** Raises the condition of a name that several networks have, or ends it. */
export function noteDuplicates(conditions: Conditions, networks: NetworksInUse, spec: NetworkSpec): void {
  const error = duplicateError(networks, spec);
  if (error === undefined) conditions.clear('network-duplicate', nameInView(spec));
  else conditions.raise('network-duplicate', error, { subject: nameInView(spec) });
}

/** Tells whether several networks had the name when that was last seen. */
export function hasDuplicates(conditions: Conditions, spec: NetworkSpec): boolean {
  return conditions.find('network-duplicate', nameInView(spec)) !== undefined;
}

function nameInView({ name, view }: NetworkSpec): string {
  return `${name} (view ${view})`;
}

function isInAny(containers: readonly Cidr[], cidr: Cidr): boolean {
  return containers.some((container) => isInside(cidr, container));
}

/** Reads where a network lies. @throws GridError `bad-answer` if the grid does not say it */
export function cidrOf({ network }: Network): Cidr {
  const cidr = parseCidr(network);
  if (cidr === undefined) throw new GridError('bad-answer', `the grid calls a network "${network}"`);
  return cidr;
}

function byAddress(one: Network, other: Network): number {
  const base = ({ network }: Network) => parseCidr(network)?.base ?? '0.0.0.0';
  return compareAddresses(base(one), base(other));
}

/**
 * Finds or creates the network of a name that all hosts agree on.
 * @param wanted `prepare`: makes it ready; beside the confirmation of a new one, and for nothing if that turns out to be gone
 * @returns what `prepare` does
 * @throws GridError `network-conflict` if it lies in none of the containers, `timeout` if another host does not finish; else as
 * `createNextNetwork`
 */
export async function agreeOnNetwork<T>(
  deps: AgreementDeps,
  { spec, prepare }: { readonly spec: SpecOf<'container'>; readonly prepare: (found: FoundNetwork) => Promise<T> },
  signal: AbortSignal,
): Promise<T> {
  const { wapi } = deps;
  const { name, view } = spec;
  /** CIDRs that this call has created and not yielded. */
  const mine = new Set<string>();
  const waiting = new Waiting(deps.clock);
  let waits = 0;
  // A host without leases in the view will probably have to create the network: what that needs is read beside the look.
  let early = deps.views.hasLeases(view) ? undefined : readSurroundings(deps, spec, signal).catch(() => undefined);
  let full: GridError | undefined;
  for (;;) {
    const { complete, pending } = await findNamedNetworks(wapi, spec, signal);
    const preferred = byPreference(complete, spec, deps.leases);
    noteDuplicates(deps.conditions, { complete, used: preferred[0]?.network }, spec);
    const step = nextStep({ complete: preferred, pending }, { mine, abandoned: waiting.hasStalled(pending) });
    for (const network of step.surplus) {
      await yieldNetwork(deps, { network, name, view }, signal);
      // Another host may create its network in the same place.
      mine.delete(network.network);
    }
    const likely = preferred[0] ?? pending[0];
    if (likely !== undefined) refuseOutsideContainers(likely, spec);
    if (step.kind === 'use') return prepare({ network: step.network, isNew: false });
    if (step.kind === 'confirm') {
      const { network } = step;
      const ready = prepare({ network, isNew: true });
      const [confirmation] = await Promise.allSettled([confirmNetwork(deps, { network, name, view }, signal), ready]);
      if (confirmation.status === 'rejected') throw confirmation.reason;
      if (confirmation.value) return ready;
      continue;
    }
    if (step.kind === 'look') continue;
    const known = await early;
    early = undefined;
    if (step.kind === 'create') {
      // The second time in a row: nobody has filled the containers with networks of this name.
      if (full !== undefined) throw full;
      const created = await createNextNetwork({ ...deps, known }, spec, signal).catch((error) => {
        if (!hasReason(error, 'no-free-network')) throw error;
        full = error;
      });
      if (created !== undefined) {
        mine.add(created);
        continue;
      }
    } else full = undefined;
    const late = new GridError('timeout', `network ${name} in view ${view} is still being set up by another host`, {
      hint: 'see the logs of the other hosts that use this network name; --add-timeout sets the time',
    });
    await deps.clock.sleep(pauseBefore(waits++, lookPause), signal, late);
  }
}

/** What a look at the networks of a name calls for, once `surplus` has been yielded. */
type AgreementStep = { readonly surplus: readonly Sighted<Network>[] } & (
  | { readonly kind: 'use' | 'confirm'; readonly network: Sighted<Network> }
  | { readonly kind: 'create' | 'look' | 'wait' }
);

/**
 * Decides what to do next about the network of a name.
 * @param known.mine CIDRs of pending networks that this host has created
 * @param known.abandoned nothing has changed for so long that the creators of what is pending must be dead
 */
export function nextStep(
  { complete, pending }: NamedNetworks,
  { mine, abandoned }: { readonly mine: ReadonlySet<string>; readonly abandoned: boolean },
): AgreementStep {
  const [found] = complete;
  const [lowest, ...others] = pending;
  const own = pending.find(({ network }) => mine.has(network));
  if (found !== undefined)
    return { kind: 'use', network: found, surplus: pending.filter((one) => mine.has(one.network)) };
  if (lowest === undefined) return { kind: 'create', surplus: [] };
  if (own === lowest && others.length === 0) return { kind: 'confirm', network: own, surplus: [] };
  if (own !== undefined && own !== lowest) return { kind: 'look', surplus: [own] };
  return abandoned ? { kind: 'confirm', network: lowest, surplus: others } : { kind: 'wait', surplus: [] };
}

/** A network of a name, and its view. */
interface Named {
  readonly network: Sighted<Network>;
  readonly name: string;
  readonly view: string;
}

/**
 * Confirms a pending network as the one of its name.
 * @returns false if it is gone or given up: this took so long that another host took it for abandoned
 * @throws GridError
 */
async function confirmNetwork(
  { wapi, clock }: AgreementDeps,
  { network, name, view }: Named,
  signal: AbortSignal,
): Promise<boolean> {
  let seen: Sighted<Network> | undefined = network;
  for (let failures = 0; seen?.comment === pendingNetworkMark(name); ) {
    try {
      await wapi.setComment(sighted(seen), networkMark(name), signal);
      return true;
    } catch (error) {
      failures = await pauseBeforeLook(error, { clock, failures }, signal);
      [seen] = await wapi.findNetworks({ network: network.network, network_view: view }, signal);
    }
  }
  return seen?.comment === networkMark(name);
}

/** Removes a pending network, unless it is complete by now or addresses are reserved in it for anything but its gateway. */
async function yieldNetwork(
  { wapi, clock }: AgreementDeps,
  { network, name, view }: Named,
  signal: AbortSignal,
): Promise<void> {
  const query = { network: network.network, network_view: view };
  // A Grid Master Candidate may not know yet that it is in use, or complete.
  const reserved = await wapi.findFixedAddresses(query, signal, 'answer');
  if (reserved.some(({ comment }) => comment !== gatewayMark(name))) return;
  let isGivenUp = false;
  for (let failures = 0; ; ) {
    const [now] = await wapi.findNetworks(query, signal, 'answer');
    try {
      if (now?.comment === pendingNetworkMark(name)) {
        isGivenUp = true;
        // The delete may come late, and hit what is in this place by then: so nobody else deletes it, and nothing takes its place before.
        await wapi.setComment(sighted(now), yieldedNetworkMark(name), signal);
      } else if (isGivenUp && now?.comment === yieldedNetworkMark(name)) {
        return await wapi.remove(sighted(now), signal);
      } else return;
    } catch (error) {
      failures = await pauseBeforeLook(error, { clock, failures }, signal);
    }
  }
}

function sighted({ _ref: ref, seen }: Sighted<Network>): SightedObject {
  return { ref, seen };
}

/** Waiting for other hosts, as long as something changes. */
class Waiting {
  readonly #clock: Clock;
  #since: number;
  #seen = '';

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
  }

  /** Notes what is pending now. @returns true if that has been the same for too long */
  hasStalled(pending: readonly Network[]): boolean {
    const state = pending.map(({ network }) => network).join();
    if (state !== this.#seen) {
      this.#seen = state;
      this.#since = this.#clock.now();
    }
    return this.#clock.now() - this.#since > abandonedAfter;
  }
}
