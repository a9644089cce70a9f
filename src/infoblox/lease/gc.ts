/** CNI GC: releases what this host has reserved in a network and the runtime no longer knows. */
import { after, every } from '../concurrency/clock.ts';
import { GridError } from '../errors.ts';
import { type Attachment, networkOf, shortNetworkName } from '../mark.ts';
import { type LeaseDeps, maxChangesAtOnce, stopPatienceMs } from './deps.ts';
import { endLease } from './endings.ts';
import { reconcile } from './execute.ts';
import type { Lease, LeaseIdentity } from './lease.ts';

/** What may have to be released. */
type Stale = LeaseIdentity & Pick<Lease, 'address'>;

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
 * host. What was told since the call, or is being given, is not judged by a list that cannot know it. That all of it is to be
 * released is durable before the first of it is. Goes on after a failure.
 * @param limits `signal` ends it; `stopping`, of the daemon, too, but what is under way has a moment to end, and the rest is the next
 * daemon's
 * @throws GridError `state` at once if that cannot be recorded; else the first failure, after everything else has been tried
 */
export async function collectGarbage(
  deps: LeaseDeps,
  { network, view, valid }: GcRequest,
  { signal, stopping }: { readonly signal: AbortSignal; readonly stopping: AbortSignal },
): Promise<GcResult> {
  const { store, clock, names, observer, adds, answers } = deps;
  const { count } = answers;
  const validMarks = new Set(valid.flatMap((attachment) => names.marksOf({ ...attachment, network })));
  const judged = new Set<string>();
  const begun: Stale[] = [];
  const failures: unknown[] = [];
  const settle = every(maxChangesAtOnce, () => store.durable());
  const judge = async (one: Stale) => {
    const { mark } = one;
    if (judged.has(mark)) return;
    judged.add(mark);
    const isValid = validMarks.has(mark);
    const calls = { isAdding: adds.underWay(mark), wasToldSince: answers.toldSince(mark, count) };
    if (endLease(deps, one, { cause: 'GC', isValid, ...calls }).answer === 'release') begun.push(one);
    await settle();
  };
  const name = shortNetworkName(network);
  for (const lease of store.where((one) => one.network === name)) await judge(lease);
  await store.durable();
  try {
    const either = AbortSignal.any([signal, stopping]);
    for await (const object of observer.list({ marks: { ...names.present, network }, view }, either)) {
      const { comment: mark, view: where, address } = object;
      // The address of a live attachment under a mark that nobody here knows: somebody has changed it.
      if (store.get(mark) === undefined && store.boundAt(where, address, mark) !== undefined) observer.report(object);
      else await judge({ mark, network: networkOf(mark), view: where, address });
    }
  } catch (error) {
    failures.push(stopping.aborted ? stopping.reason : error);
  }
  await store.durable();
  const result = { released: [] as string[], releasing: [] as string[] };
  const cutShort = AbortSignal.any([signal, after(clock, stopping, stopPatienceMs)]);
  for (const { mark, address } of begun) {
    try {
      // Out of time nothing waits for the grid any more.
      if (!stopping.aborted) await reconcile(deps, mark, cutShort);
    } catch (error) {
      if (!(error instanceof GridError)) failures.push(error);
    }
    if (address !== null) result[store.get(mark) === undefined ? 'released' : 'releasing'].push(address);
  }
  if (failures.length > 0) throw failures[0];
  return result;
}
