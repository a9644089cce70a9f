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
import { type Cidr, compareAddresses, parseCidr } from '../address.ts';
import { pause, pauseBefore } from '../concurrency/backoff.ts';
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
import type { Network } from '../wapi/schemas.ts';
import { createNextNetwork, readSurroundings } from './next-network.ts';
import type { NetworkSpec, SpecOf } from './spec.ts';
import type { FoundNetwork, NetworkDeps } from './views.ts';

/** Milliseconds without any change after which the pending networks of a name belong to creators that died. */
const abandonedAfter = 8_000;
/** Between looks while others are at work. */
const lookPause = { first: 40, longest: 800 };

export interface NamedNetworks {
  /** The lowest address first. */
  readonly complete: readonly Network[];
  /** Created for the name and not confirmed yet; the lowest address first. */
  readonly pending: readonly Network[];
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
  const pendingMark = pendingNetworkMark(name);
  const incomplete = [pendingMark, yieldedNetworkMark(name)];
  const complete = [...marked, ...attributed].filter(({ comment }) => !incomplete.includes(comment));
  return {
    complete: [...new Map(complete.map((network) => [network._ref, network])).values()].sort(byAddress),
    pending: marked.filter(({ comment }) => comment === pendingMark).sort(byAddress),
  };
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
 * Finds or creates the network of a name that all hosts agree on. A new one is pending: it is the caller's to confirm.
 * @throws GridError `timeout` if another host does not finish; else as `createNextNetwork`
 */
export async function agreeOnNetwork(
  deps: NetworkDeps,
  spec: SpecOf<'container'>,
  signal: AbortSignal,
): Promise<FoundNetwork> {
  const { name, view } = spec;
  /** CIDRs that this call has created and not yielded. */
  const mine = new Set<string>();
  const waiting = new Waiting();
  let waits = 0;
  // A host without leases in the view will probably have to create the network: what that needs is read beside the look.
  let early = deps.views.hasLeases(view) ? undefined : readSurroundings(deps, spec, signal).catch(() => undefined);
  let full: GridError | undefined;
  for (;;) {
    const named = await findNamedNetworks(deps.wapi, spec, signal);
    const step = nextStep(named, { mine, abandoned: waiting.hasStalled(named.pending) });
    for (const network of step.surplus) {
      await yieldNetwork(deps, { network, name, view }, signal);
      // Another host may create its network in the same place.
      mine.delete(network.network);
    }
    if (step.kind === 'use' || step.kind === 'confirm')
      return { network: step.network, isNew: step.kind === 'confirm' };
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
    await pause(pauseBefore(waits++, lookPause), signal, late);
  }
}

/** What a look at the networks of a name calls for, once `surplus` has been yielded. */
type AgreementStep = { readonly surplus: readonly Network[] } & (
  | { readonly kind: 'use' | 'confirm'; readonly network: Network }
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

/**
 * Confirms a pending network as the one of its name.
 * @returns false if it is gone: this took so long that another host took it for abandoned
 * @throws GridError
 */
export function confirmNetwork(
  { wapi }: Pick<NetworkDeps, 'wapi'>,
  { network, name }: { readonly network: Network; readonly name: string },
  signal: AbortSignal,
): Promise<boolean> {
  return setMark(wapi, { network, mark: networkMark(name) }, signal);
}

/** @returns false if the network is gone */
async function setMark(
  wapi: WapiClient,
  { network, mark }: { readonly network: Network; readonly mark: string },
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await wapi.setComment(network._ref, mark, signal);
    return true;
  } catch (error) {
    if (hasReason(error, 'missing')) return false;
    throw error;
  }
}

/** Removes a pending network, unless it is complete by now or addresses are reserved in it for anything but its gateway. */
async function yieldNetwork(
  { wapi }: Pick<NetworkDeps, 'wapi'>,
  { network, name, view }: { readonly network: Network; readonly name: string; readonly view: string },
  signal: AbortSignal,
): Promise<void> {
  const query = { network: network.network, network_view: view };
  // A Grid Master Candidate may not know yet that it is complete, or in use.
  const [now] = await wapi.findNetworks(query, signal, 'answer');
  if (now === undefined || now.comment !== pendingNetworkMark(name)) return;
  const reserved = await wapi.findFixedAddresses(query, signal, 'answer');
  if (reserved.some(({ comment }) => comment !== gatewayMark(name))) return;
  // The delete may come late, and hit what is in this place by then: so nobody else deletes it, and nothing takes its place before.
  const isThere = await setMark(wapi, { network: now, mark: yieldedNetworkMark(name) }, signal);
  if (isThere) await wapi.remove(now._ref, signal);
}

/** Waiting for other hosts, as long as something changes. */
class Waiting {
  #since = performance.now();
  #seen = '';

  /** Notes what is pending now. @returns true if that has been the same for too long */
  hasStalled(pending: readonly Network[]): boolean {
    const state = pending.map(({ network }) => network).join();
    if (state !== this.#seen) {
      this.#seen = state;
      this.#since = performance.now();
    }
    return performance.now() - this.#since > abandonedAfter;
  }
}
