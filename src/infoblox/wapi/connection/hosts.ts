/** Which of the grid's hosts is asked next, and which of them accepts writes. */
import type { Clock } from '../../concurrency/clock.ts';

/** Milliseconds that a host which failed is left alone when another one can be asked. */
const restTime = 15_000;

/** Where it is remembered what a restart must not forget, such as which host accepts writes in the middle of a fail-over. */
export interface Facts {
  fact(name: string): string | undefined;
  setFact(name: string, value: string): void;
}

/** The host that accepts writes; `''` for none. */
const writerFact = 'writer';

/**
 * The grid's members in the operator's order: the first that is well is asked, and the first of all again as soon as
 * it has rested. A fail-over to a promoted Grid Master Candidate, and the way back, need nobody.
 */
export class GridHosts {
  readonly #hosts: readonly string[];
  readonly #failedAt = new Map<string, number>();
  readonly #clock: Pick<Clock, 'now'>;
  readonly #facts: Facts | undefined;
  #writer: string | undefined;

  constructor(hosts: readonly string[], clock: Pick<Clock, 'now'>, facts?: Facts) {
    if (hosts.length === 0) throw new Error('at least one grid host is needed');
    this.#hosts = hosts;
    this.#clock = clock;
    this.#facts = facts;
    const remembered = facts?.fact(writerFact);
    if (remembered === '') return;
    this.#writer = hosts.find((host) => host === remembered) ?? hosts[0];
  }

  /**
   * The host that accepts writes: the one that accepted the last of ours, so that it has all of them; before any, the
   * first of the operator's list. Undefined once that one has refused a write as read-only. A Grid Master Candidate, which
   * serves reads, may lack what the master has just confirmed (NIOS 9.0 documentation, "Promoting a Grid Master Candidate").
   */
  get writer(): string | undefined {
    return this.#writer;
  }

  /** All of them, in the operator's order. */
  get all(): readonly string[] {
    return this.#hosts;
  }

  /** The host has carried out a write. */
  acceptedWrite(host: string): void {
    this.#setWriter(host);
  }

  /** The host has refused a write as read-only. */
  refusedWrite(host: string): void {
    if (host === this.#writer) this.#setWriter(undefined);
  }

  /**
   * The host to ask next: the first that is well, else the one whose failure is longest ago.
   * @param preferred to be asked before all others if it is well
   */
  pick(preferred?: string): string {
    const hosts = preferred === undefined ? this.#hosts : [preferred, ...this.#hosts];
    const well = hosts.find((host) => this.#rested(host) >= restTime);
    return well ?? this.#hosts.reduce((best, host) => (this.#rested(host) > this.#rested(best) ? host : best));
  }

  /**
   * Tells whether another host than `host` may do what that one could not, so that trying again at once makes sense.
   * @param forWrite for what `host` refused as read-only: the writer is asked even if it failed a moment ago, as no other can
   */
  hasAnother(host: string, { forWrite = false } = {}): boolean {
    if (forWrite && this.#writer !== undefined && this.#writer !== host) return true;
    return this.#hosts.some((other) => other !== host && this.#rested(other) >= restTime);
  }

  /** The host did not answer, or not as a grid. */
  failed(host: string): void {
    this.#failedAt.set(host, this.#clock.now());
  }

  /** The host has answered. */
  succeeded(host: string): void {
    this.#failedAt.delete(host);
  }

  /** Milliseconds since the host failed; infinite if it did not. */
  #rested(host: string): number {
    return this.#clock.now() - (this.#failedAt.get(host) ?? Number.NEGATIVE_INFINITY);
  }

  #setWriter(host: string | undefined): void {
    if (host === this.#writer) return;
    this.#writer = host;
    this.#facts?.setFact(writerFact, host ?? '');
  }
}
