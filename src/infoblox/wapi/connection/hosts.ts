/** Tracks which grid host to ask next, and which one accepts writes. */
import type { Clock } from '../../concurrency/clock.ts';

/** Milliseconds for which a failed host is avoided if there is another. */
const restMs = 15_000;

/** Facts that survive a restart, such as which host accepts writes during a failover. */
export interface Facts {
  fact(name: string): string | undefined;
  setFact(name: string, value: string): void;
}

/** Fact: the host that accepts writes; `''` for none. */
const writerFact = 'writer';

/**
 * Chooses among grid hosts in the operator's order: the first one that has not failed lately. So failover to a promoted Grid Master
 * Candidate, and the way back, are automatic.
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
   * The host that accepts writes: the one that accepted the driver's last write, so it has them all; before the first write, the first host
   * of the operator's list. Undefined after it refused a write as read-only. A Grid Master Candidate serves reads but may lack the master's
   * latest writes (NIOS 9.0 documentation, "Promoting a Grid Master Candidate").
   */
  get writer(): string | undefined {
    return this.#writer;
  }

  /** All hosts in the operator's order. */
  get all(): readonly string[] {
    return this.#hosts;
  }

  /** Records that a host carried out a write. */
  acceptedWrite(host: string): void {
    this.#setWriter(host);
  }

  /** Records that a host refused a write as read-only. */
  refusedWrite(host: string): void {
    if (host === this.#writer) this.#setWriter(undefined);
  }

  /**
   * Returns the host to ask next: the first one that has not failed lately, or the one that failed longest ago.
   * @param preferred asked first unless it failed lately
   */
  pick(preferred?: string): string {
    const hosts = preferred === undefined ? this.#hosts : [preferred, ...this.#hosts];
    const well = hosts.find((host) => this.#restedMs(host) >= restMs);
    return well ?? this.#hosts.reduce((best, host) => (this.#restedMs(host) > this.#restedMs(best) ? host : best));
  }

  /**
   * Tells whether another host may serve a request that `host` could not, so that an immediate repetition makes sense.
   * @param forWrite for a write that `host` refused as read-only: the writer is asked even if it has just failed
   */
  hasAnother(host: string, { forWrite = false } = {}): boolean {
    if (forWrite && this.#writer !== undefined && this.#writer !== host) return true;
    return this.#hosts.some((other) => other !== host && this.#restedMs(other) >= restMs);
  }

  /** Records that a host did not answer as a grid. */
  failed(host: string): void {
    this.#failedAt.set(host, this.#clock.now());
  }

  /** Records that a host answered. */
  succeeded(host: string): void {
    this.#failedAt.delete(host);
  }

  /** Returns the milliseconds since a host failed; infinite if it did not. */
  #restedMs(host: string): number {
    return this.#clock.now() - (this.#failedAt.get(host) ?? Number.NEGATIVE_INFINITY);
  }

  #setWriter(host: string | undefined): void {
    if (host === this.#writer) return;
    this.#writer = host;
    this.#facts?.setFact(writerFact, host ?? '');
  }
}
