/** CNI GC: releases what this host has reserved in a network and the runtime no longer knows. */
import { every } from '../concurrency/clock.ts';
import { GridError } from '../errors.ts';
import { type Attachment, networkOf, networkPrefix, shortNetworkName } from '../mark.ts';
import { maxChangesAtOnce } from './deps.ts';
import { endLease } from './endings.ts';
import type { LeaseIdentity } from './lease.ts';
import { reconcile } from './release/reconcile.ts';
import type { ReleaseDeps } from './release/release.ts';

/** What the runtime says. */
interface GcRequest {
  /** Name of the network. */
  readonly network: string;
  /** Where to look on the grid for what the state does not know. */
  readonly view: string;
  readonly valid: readonly Omit<Attachment, 'network'>[];
}

interface GcResult {
  /** Addresses that have gone back. */
  readonly released: readonly string[];
  /** Those whose release the reconciler retries. */
  readonly releasing: readonly string[];
}

/**
 * Releases the leases of a network but for those of the valid attachments, and what else the grid has there under the name of this
 * host. What was told since the call, or is being given, is not judged by a list that cannot know it. Goes on after a failure.
 * @throws the first failure, after everything else has been tried
 */
export async function collectGarbage(
  deps: ReleaseDeps,
  { network, view, valid }: GcRequest,
  signal: AbortSignal,
): Promise<GcResult> {
  const { store, names, observer, allocator, deliveries } = deps;
  const { count } = deliveries;
  const validMarks = new Set(valid.flatMap((attachment) => names.marksOf({ ...attachment, network })));
  const collected = new Set<string>();
  const result = { released: [] as string[], releasing: [] as string[] };
  const failures: unknown[] = [];
  // Out of time nothing waits for the grid any more.
  const turn = every(maxChangesAtOnce, deps.clock.turn);
  const collect = async (one: LeaseIdentity & { readonly address: string | null }) => {
    const { mark, address } = one;
    if (collected.has(mark)) return;
    collected.add(mark);
    try {
      const isValid = validMarks.has(mark);
      const calls = { isAdding: allocator.isAdding(mark), wasToldSince: deliveries.toldSince(mark, count) };
      if (endLease(deps, one, { cause: 'GC', isValid, ...calls }).answer !== 'release') return;
      const isReleased = await finish(deps, mark, signal);
      if (address !== null) result[isReleased ? 'released' : 'releasing'].push(address);
    } catch (error) {
      failures.push(error);
    }
    await turn();
  };
  const name = shortNetworkName(network);
  for (const lease of store.where((one) => one.network === name)) await collect(lease);
  try {
    for await (const object of observer.list(networkPrefix(names.present, network), { view }, signal)) {
      const { comment: mark, network_view: where, ipv4addr: address } = object;
      // The address of a live attachment under a mark that nobody here knows: somebody has changed it.
      if (store.get(mark) === undefined && store.boundAt(where, address, mark) !== undefined) observer.report(object);
      else await collect({ mark, network: networkOf(mark), view: where, address });
    }
  } catch (error) {
    failures.push(error);
  }
  if (failures.length > 0) throw failures[0];
  return result;
}

/** @returns false if the reconciler has to try again */
async function finish(deps: ReleaseDeps, mark: string, signal: AbortSignal): Promise<boolean> {
  await deps.store.durable();
  await reconcile(deps, mark, signal).catch((error) => {
    if (!(error instanceof GridError)) throw error;
  });
  return deps.store.get(mark) === undefined;
}
