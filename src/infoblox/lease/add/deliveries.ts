/** Which callers of ADDs have their answer. One that got none gives the address back, unless another one may use it. */
import { hasReason } from '../../errors.ts';
import { apply } from '../act.ts';
import type { LeaseDeps } from '../deps.ts';
import { notAnswered } from '../lease.ts';

/** Attachments of which it is known who was told their address. */
const mostTold = 10_000;

/** What an ADD needs beside what all work on leases does. */
export type AddDeps = LeaseDeps & { readonly deliveries: Deliveries };

export class Deliveries {
  readonly #deps: Pick<LeaseDeps, 'store' | 'moment' | 'log'>;
  /** The last ADD of each attachment that is known to have its answer. What is not known here costs a write of the state. */
  readonly #told = new Map<string, string>();

  constructor(deps: Pick<LeaseDeps, 'store' | 'moment' | 'log'>) {
    this.#deps = deps;
  }

  /** ID of an ADD of an attachment that is known to have its answer, if there is one. */
  told(mark: string): string | undefined {
    return this.#told.get(mark);
  }

  /** The caller has its answer. */
  delivered(mark: string, caller: string): void {
    if (this.#told.size >= mostTold) this.#told.clear();
    this.#told.set(mark, caller);
  }

  /** The caller went away without its answer. As `notAnswered`, but a state that cannot be written is a line in the log. */
  undelivered(mark: string, caller: string): void {
    try {
      this.notAnswered(mark, caller);
    } catch (error) {
      // The plugin's note says the same, and is taken when the state can be written.
      if (!hasReason(error, 'state')) throw error;
      this.#deps.log.warn('cannot note that a result was not delivered', { attachment: mark, reason: error.message });
    }
  }

  /**
   * The caller of an ADD got no answer: what the attachment has is released, unless another ADD was, or may have been,
   * answered with it.
   * @throws GridError `state` if that cannot be noted
   */
  notAnswered(mark: string, caller: string): void {
    const { store, moment, log } = this.#deps;
    const before = store.get(mark)?.phase;
    const lease = apply(store, mark, (current) => notAnswered(current, caller, moment()));
    if (before !== 'bound' || lease?.phase !== 'releasing') return;
    log.info('caller disconnected before the result was delivered; releasing', {
      attachment: mark,
      address: lease.address,
    });
  }
}
