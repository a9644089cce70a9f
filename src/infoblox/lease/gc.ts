/** CNI GC: releases what this host has reserved in a network and the runtime no longer knows. */
import { turnEvery } from '../concurrency/clock.ts';
import { GridError } from '../errors.ts';
import { type Attachment, networkOf, networkPrefix, shortNetworkName } from '../mark.ts';
import { writesAtATime } from './deps.ts';
import { reconcile } from './release/reconcile.ts';
import type { ReleaseDeps } from './release/release.ts';
import { type Release, releaseIfDead, startReleaseOf } from './release/start-release.ts';

const by = 'GC' as const;

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
 * Releases the leases of a network but for those of the valid attachments. What was given since the call, or is being
 * given, is not judged by a list that cannot know it. Goes on after a failure.
 * @throws the first failure, after everything else has been tried
 */
export async function collectGarbage(
  deps: ReleaseDeps,
  { network, view, valid }: GcRequest,
  signal: AbortSignal,
): Promise<GcResult> {
  const { store, names, observer, allocator } = deps;
  const keep = new Set(valid.flatMap((attachment) => names.marksOf({ ...attachment, network })));
  const known = new Map(store.ofNetwork(shortNetworkName(network)).map((lease) => [lease.mark, lease]));
  const result = { released: [] as string[], releasing: [] as string[] };
  const failures: unknown[] = [];
  // Out of time nothing waits for the grid any more.
  const turn = turnEvery(deps.clock, writesAtATime);
  const collect = async (release: Release & { readonly address: string | null }, start: () => boolean) => {
    const { mark, address } = release;
    if (keep.has(mark) || allocator.isAdding(mark)) return;
    keep.add(mark);
    try {
      const isReleased = await startAndFinish(deps, { release, start }, signal);
      if (isReleased !== undefined && address !== null) result[isReleased ? 'released' : 'releasing'].push(address);
    } catch (error) {
      failures.push(error);
    }
    await turn();
  };
  for (const lease of known.values()) {
    const { createdAt } = lease;
    await collect({ ...lease, by }, () => releaseIfDead(deps, { ...lease, by }, (now) => now.createdAt === createdAt));
  }
  try {
    for await (const object of observer.list(networkPrefix(names.present, network), { view }, signal)) {
      const { comment: mark, network_view: where, ipv4addr: address } = object;
      // The address of a live attachment under a mark that nobody here knows: somebody has changed it.
      if (store.get(mark) === undefined && store.boundAt(where, address, mark) !== undefined) observer.report(object);
      else {
        const release = { mark, network: networkOf(mark), view: where, address, by };
        await collect(release, () => startUnknown(deps, release));
      }
    }
  } catch (error) {
    failures.push(error);
  }
  if (failures.length > 0) throw failures[0];
  return result;
}

/** An object of this host that the state does not know, or has imported since the call came: older than the list. */
function startUnknown(deps: ReleaseDeps, release: Release): boolean {
  if (deps.store.get(release.mark) !== undefined)
    return releaseIfDead(deps, release, ({ createdAt }) => createdAt === 0);
  startReleaseOf(deps, release);
  return true;
}

/** @returns undefined if it is kept, false if the reconciler has to try again */
async function startAndFinish(
  deps: ReleaseDeps,
  { release, start }: { readonly release: Release; readonly start: () => boolean },
  signal: AbortSignal,
): Promise<boolean | undefined> {
  if (!start()) return undefined;
  await reconcile(deps, release.mark, signal).catch((error) => {
    if (!(error instanceof GridError)) throw error;
  });
  return deps.store.get(release.mark) === undefined;
}
