/**
 * A network for a name, taken from network containers: all hosts that use the name share one network, even if many of
 * them start at the same instant.
 *
 * The grid has no lock, so agreement relies on two facts: a network's CIDR is unique in its view, and reads see every
 * write that was answered before. A creator marks its network as pending, then looks at all networks of the name:
 *  - A complete one exists: use it, remove mine.
 *  - Mine is the only one: confirm it. Of two creators each looks after its own create, so at most one sees itself alone.
 *  - Others are pending too: the one with the lowest address waits for the others to yield.
 * Addresses are never taken from a pending network, so yielding deletes nothing that is in use. Before its delete a
 * network is marked as given up: from then on it counts as pending for no host.
 */
import type { Cidr } from '../address.ts';
import { type Clock, pauseBefore } from '../concurrency/clock.ts';
import type { Conditions } from '../conditions.ts';
import { forAnotherLook, GridError, hasReason } from '../errors.ts';
import { type Network, pauseBeforeLook } from '../grid.ts';
import { gatewayMark, networkMark, pendingNetworkMark, yieldedNetworkMark } from '../mark.ts';
import {
  byPreference,
  findNamedNetworks,
  type NamedNetworks,
  noteDuplicates,
  refuseOutsideContainers,
} from './named-networks.ts';
import { createNextNetwork, readSurroundings } from './next-network.ts';
import type { SpecOf } from './spec.ts';
import type { FoundNetwork, NetworkDeps } from './views.ts';

/** Milliseconds without a change after which the creators of pending networks count as dead. */
const abandonedAfterMs = 8_000;
/** Pauses between looks while other hosts work. */
const lookPause = { firstMs: 40, maxMs: 800 };

/** Dependencies of the agreement. */
export interface AgreementDeps extends NetworkDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly conditions: Conditions;
}

/**
 * Finds or creates the network of a name that all hosts agree on. Each look leads to one step; a failed write by
 * reference leads to another look.
 * @param wanted `prepare`: makes the network ready, concurrently with the confirmation of a new one, and in vain if
 * that fails
 * @returns the result of `prepare`
 * @throws GridError `network-conflict` if it lies outside the containers, `timeout` if another host does not finish;
 * else as `createNextNetwork`
 */
export async function agreeOnNetwork<T>(
  deps: AgreementDeps,
  { spec, prepare }: { readonly spec: SpecOf<'container'>; readonly prepare: (found: FoundNetwork) => Promise<T> },
  signal: AbortSignal,
): Promise<T> {
  const { grid, leases, clock, random, conditions } = deps;
  const { name, view } = spec;
  /** CIDRs that this call has created and not yielded. */
  const mine = new Set<string>();
  /** CIDRs of pending networks that cannot be removed, since they contain reservations. */
  const occupied = new Set<string>();
  /** The pending networks of the last look, after this host's own changes, which are no progress of others; unchanged since `since`. */
  let seen = '';
  let since = clock.now();
  let waits = 0;
  // A host without leases in the view will probably create the network: read what that needs concurrently with the
  // look.
  const hasLeases = leases.boundIn(view).length > 0;
  let early = hasLeases ? undefined : readSurroundings(grid, spec, signal).catch(() => undefined);
  let full: GridError | undefined;
  for (;;) {
    const named = await findNamedNetworks(grid, spec, signal);
    const complete = byPreference(named.complete, spec, leases);
    const pending = named.pending.filter(({ cidr }) => !occupied.has(cidr.text));
    noteDuplicates(conditions, { complete: named.complete, used: complete[0]?.cidr.text }, spec);
    if (listOf(pending) !== seen) since = clock.now();
    seen = listOf(pending);
    const step = nextStep({ complete, pending }, { mine, abandoned: clock.now() - since > abandonedAfterMs });
    if (step.kind === 'yield') {
      for (const { cidr } of step.networks) {
        if (!(await yieldNetwork(deps, { cidr, name, view }, signal))) occupied.add(cidr.text);
        // Another host may create its network in this place.
        mine.delete(cidr.text);
      }
      seen = listOf(pending.filter((one) => !step.networks.includes(one)));
      continue;
    }
    const likely = complete[0] ?? pending[0];
    if (likely !== undefined) refuseOutsideContainers(likely, spec);
    if (step.kind === 'use') return prepare({ cidr: step.network.cidr, isNew: false });
    if (step.kind === 'confirm') {
      const { network } = step;
      const ready = prepare({ cidr: network.cidr, isNew: true });
      const [confirmation] = await Promise.allSettled([confirmNetwork(deps, { network, name }, signal), ready]);
      if (confirmation.status === 'rejected') throw confirmation.reason;
      if (confirmation.value) return ready;
      continue;
    }
    const known = await early;
    early = undefined;
    if (step.kind === 'create') {
      // The second time in a row: the containers are not full of networks of this name.
      if (full !== undefined) throw full;
      const created = await createNextNetwork(deps, { spec, known }, signal).catch((error) => {
        if (!hasReason(error, 'no-free-network')) throw error;
        full = error;
      });
      if (created !== undefined) {
        mine.add(created.text);
        continue;
      }
    } else full = undefined;
    const late = new GridError('timeout', `network ${name} in view ${view} is still being set up by another host`, {
      hint: 'see the logs of the other hosts that use this network name; --add-timeout sets the time',
    });
    await clock.sleep(pauseBefore(waits++, lookPause, random), signal, late);
  }
}

/** The step that follows a look at the networks of a name. */
type AgreementStep =
  | { readonly kind: 'use' | 'confirm'; readonly network: Network }
  | { readonly kind: 'yield'; readonly networks: readonly Network[] }
  | { readonly kind: 'create' | 'wait' };

/**
 * Decides the next step towards the network of a name.
 * @param known.mine CIDRs of pending networks that this host has created
 * @param known.abandoned nothing has changed for so long that the creators of pending networks must be dead
 */
export function nextStep(
  { complete, pending }: NamedNetworks,
  { mine, abandoned }: { readonly mine: ReadonlySet<string>; readonly abandoned: boolean },
): AgreementStep {
  const [found] = complete;
  const [lowest, ...others] = pending;
  const isMine = ({ cidr }: Network) => mine.has(cidr.text);
  const surplus = found !== undefined ? pending.filter(isMine) : abandoned ? others : others.filter(isMine);
  if (surplus.length > 0) return { kind: 'yield', networks: surplus };
  if (found !== undefined) return { kind: 'use', network: found };
  if (lowest === undefined) return { kind: 'create' };
  const isAgreed = abandoned || (isMine(lowest) && others.length === 0);
  return isAgreed ? { kind: 'confirm', network: lowest } : { kind: 'wait' };
}

/**
 * Confirms a pending network as the one of its name. A confirmation that arrives late, after its answer was lost, does
 * no harm, so the next look decides then, too.
 * @returns false if the network is gone or given up: the confirmation took so long that another host took it for
 * abandoned
 */
async function confirmNetwork(
  { grid, clock, random }: AgreementDeps,
  { network, name }: { readonly network: Network; readonly name: string },
  signal: AbortSignal,
): Promise<boolean> {
  let now: Network | undefined = network;
  for (let failures = 0; now?.comment === pendingNetworkMark(name); ) {
    try {
      await grid.relabel(now, { comment: networkMark(name) }, signal);
      return true;
    } catch (error) {
      const isLost = error instanceof GridError && error.outcome !== 'none';
      failures = await pauseBeforeLook(isLost ? forAnotherLook(error) : error, { clock, random, failures }, signal);
      now = await grid.networkAt(network, signal);
    }
  }
  return now?.comment === networkMark(name);
}

/**
 * Removes a pending network, unless it is complete by now.
 * @returns false if it contains reservations other than its gateway's: then it stays
 */
async function yieldNetwork(
  { grid, clock, random }: AgreementDeps,
  { cidr, name, view }: { readonly cidr: Cidr; readonly name: string; readonly view: string },
  signal: AbortSignal,
): Promise<boolean> {
  // A Grid Master Candidate may not know yet that the network is in use, or complete.
  for await (const { comment } of grid.list({ network: cidr, view, confirm: true }, signal)) {
    if (comment !== gatewayMark(name)) return false;
  }
  let isGivenUp = false;
  for (let failures = 0; ; ) {
    const now = await grid.networkAt({ cidr, view, confirm: true }, signal);
    try {
      if (now?.comment === pendingNetworkMark(name)) {
        isGivenUp = true;
        // A late delete could hit another network in this place: so only this host deletes it, and nothing takes its
        // place before.
        await grid.relabel(now, { comment: yieldedNetworkMark(name) }, signal);
      } else if (isGivenUp && now?.comment === yieldedNetworkMark(name)) {
        await grid.remove(now, signal);
        return true;
      } else return true;
    } catch (error) {
      failures = await pauseBeforeLook(error, { clock, random, failures }, signal);
    }
  }
}

function listOf(networks: readonly Network[]): string {
  return networks.map(({ cidr }) => cidr.text).join();
}
