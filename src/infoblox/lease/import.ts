/**
 * Imports this host's reservations from the grid after the state was lost: containers may use their addresses. Retried until it succeeds;
 * until then each ADD first looks for its attachment on the grid.
 */
import { messageOf } from '../../errno.ts';
import { families } from '../address.ts';
import { type Backoff, deadline, every, pauseBefore } from '../concurrency/clock.ts';
import { GridError } from '../errors.ts';
import { attachmentKey } from '../mark.ts';
import { type LeaseDeps, maxChangesAtOnce } from './deps.ts';
import { adopt } from './execute.ts';
import { followView, type Lease, wasUnknown } from './lease.ts';
import { plan } from './plan.ts';
import { apply } from './store/lease-store.ts';

/** Milliseconds for one attempt. */
const attemptTimeoutMs = 120_000;
const retry: Backoff = { firstMs: 1_000, maxMs: 300_000 };

export class Import {
  readonly #deps: LeaseDeps;
  readonly #stopping = new AbortController();
  /** Keys of attachments that have ended since the start: the grid may still have addresses of their other sets. */
  readonly #ended = new Set<string>();
  #cancelRetry = () => {};
  #attempts = 0;
  #underWay = false;

  constructor(deps: LeaseDeps) {
    this.#deps = deps;
    const { store } = deps;
    if (store.isWhole) return;
    const changed = (mark: string, lease: Lease | undefined) => {
      if (lease?.phase === 'releasing') this.#ended.add(attachmentKey(mark));
      else if (lease !== undefined) this.#ended.delete(attachmentKey(mark));
      if (store.isWhole) end();
    };
    const end = store.subscribe({ changed });
  }

  /** Tries to import now, and later again after a failure. Does nothing if the state is whole or an attempt is in progress. */
  async attempt(): Promise<void> {
    if (this.#underWay || this.#stopping.signal.aborted) return;
    this.#cancelRetry();
    this.#underWay = true;
    try {
      if (!this.#deps.store.isWhole) await this.#import();
    } catch (error) {
      this.#tryLater(error);
    } finally {
      this.#underWay = false;
    }
  }

  stop(): void {
    this.#stopping.abort();
    this.#cancelRetry();
  }

  async #import(): Promise<void> {
    const { observer, store, names, clock, conditions, log } = this.#deps;
    const stopping = this.#stopping.signal;
    const signal = AbortSignal.any([stopping, deadline(clock, attemptTimeoutMs)]);
    // Pages read earlier may show reservations that were released since.
    const forgotten = new Set<string>();
    const end = store.subscribe({ changed: (mark, lease) => lease === undefined && forgotten.add(mark) });
    const settle = every(maxChangesAtOnce, () => store.durable());
    let count = 0;
    try {
      // Read the whole list first: an endless one must not fill the state.
      const objects = await Array.fromAsync(observer.list({ marks: names.present, families, confirm: true }, signal));
      for (const { comment: mark, view, address } of objects) {
        stopping.throwIfAborted();
        if (forgotten.has(mark) || !this.#adopt(mark, { view, address })) continue;
        count += 1;
        await settle();
      }
      await store.durable();
      stopping.throwIfAborted();
      store.setWhole(clock.wall());
      await store.durable();
    } finally {
      end();
    }
    conditions.clear('import-incomplete');
    if (count > 0) log.info('imported the reservations of this host from the grid', { count });
  }

  #adopt(mark: string, object: { readonly view: string; readonly address: string }): boolean {
    const { store, adds, moment, releaseLeftover } = this.#deps;
    const key = attachmentKey(mark);
    const before = store.get(mark);
    // An earlier DEL looks only in the configured view.
    if (before !== undefined && wasUnknown(before)) apply(store, mark, (lease) => followView(lease, object.view));
    if (adds.underWay(key) || before !== undefined) return false;
    const known = store.ofAttachment(mark);
    if (known.length === 0 ? this.#ended.has(key) : known.every(({ phase }) => phase === 'releasing')) {
      // Its attachment was deleted before this state knew of this address.
      releaseLeftover(mark, object.view);
      return false;
    }
    const owner = store.boundAt(object.view, object.address, mark)?.mark;
    const step = plan(undefined, { found: [{ ...object, owner }], askedAt: moment().now }, moment());
    if (step.kind !== 'adopt') return false;
    adopt(this.#deps, mark, step.object);
    return true;
  }

  #tryLater(error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const { host, clock, conditions, log } = this.#deps;
    const pause = pauseBefore(this.#attempts, retry, host.random);
    this.#attempts += 1;
    const reason = messageOf(error);
    log.warn('cannot import the reservations of this host from the grid; will retry', {
      reason,
      seconds: Math.ceil(pause / 1000),
    });
    conditions.raise('import-incomplete', incomplete(error, reason));
    this.#cancelRetry = clock.after(pause, () => void this.attempt());
  }
}

function incomplete(error: unknown, reason: string): GridError {
  const what = `the reservations of this host are not imported from the grid into its new state yet: ${reason}`;
  if (!(error instanceof GridError)) return new GridError('state', what);
  const hint =
    error.reason === 'permission' ? 'give the user of --wapi-username the right to read fixed addresses' : error.hint;
  return new GridError(error.reason, what, { hint });
}
