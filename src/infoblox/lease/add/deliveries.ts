/**
 * What this run knows of the ADDs that were answered with a lease: when, as far as that matters for evidence which is older,
 * and who has the answer. A caller that got none gives the address back, unless another one may use it.
 */
import { hasReason } from '../../errors.ts';
import type { LeaseDeps } from '../deps.ts';
import { endLease } from '../endings.ts';

/** Attachments whose answers are remembered. */
const maxRemembered = 10_000;

interface Answered {
  /** Which of all answers of this run the last one was. */
  readonly order: number;
  /** ID of the last ADD that is known to have its answer. */
  readonly told?: string | undefined;
}

export class Deliveries {
  readonly #deps: Pick<LeaseDeps, 'store' | 'moment' | 'log'>;
  readonly #answered = new Map<string, Answered>();
  /** How many ADDs have been answered. */
  #count = 0;
  /** What was answered up to here may have been forgotten: it counts as answered then. */
  #forgotten = 0;

  constructor(deps: Pick<LeaseDeps, 'store' | 'moment' | 'log'>) {
    this.#deps = deps;
  }

  /** An ADD of the attachment is going to be answered. */
  answering(mark: string): void {
    this.#count += 1;
    this.#remember(mark, { ...this.#answered.get(mark), order: this.#count });
  }

  /** This point in the order of all answers, for `toldSince`. */
  get count(): number {
    return this.#count;
  }

  /** Tells whether an ADD of the attachment was answered after a point. */
  toldSince(mark: string, count: number): boolean {
    return (this.#answered.get(mark)?.order ?? this.#forgotten) > count;
  }

  /** ID of an ADD of an attachment that is known to have its answer, if there is one. What is not known costs a write of the state. */
  told(mark: string): string | undefined {
    return this.#answered.get(mark)?.told;
  }

  /** The caller has its answer. */
  delivered(mark: string, caller: string): void {
    const order = this.#answered.get(mark)?.order ?? this.#forgotten;
    this.#remember(mark, { order, told: caller });
  }

  /** The caller went away without its answer. As `notAnswered`, but a state that cannot be written is a line in the log. */
  async undelivered(mark: string, caller: string): Promise<void> {
    try {
      await this.notAnswered(mark, caller);
    } catch (error) {
      // The plugin's note says the same, and is taken when the state can be written.
      if (!hasReason(error, 'state')) throw error;
      this.#deps.log.warn('cannot note that a result was not delivered', { attachment: mark, reason: error.message });
    }
  }

  /**
   * The caller of an ADD got no answer: what the attachment has is released, unless another ADD was, or may have been,
   * answered with it.
   * @throws GridError `state` if that cannot be recorded
   */
  async notAnswered(mark: string, caller: string): Promise<void> {
    const { store, log } = this.#deps;
    const known = store.get(mark);
    if (known === undefined) return;
    const { answer } = endLease(this.#deps, known, { cause: 'caller left', caller });
    await store.durable();
    if (answer !== 'release') return;
    log.info('caller disconnected before the result was delivered; releasing', {
      attachment: mark,
      address: known.address,
    });
  }

  #remember(mark: string, answered: Answered): void {
    if (this.#answered.size >= maxRemembered && !this.#answered.has(mark)) {
      this.#answered.clear();
      this.#forgotten = this.#count;
    }
    this.#answered.set(mark, answered);
  }
}
