/** Milliseconds that a host which failed is left alone when another one can be asked. */
const rest = 15_000;

/**
 * The grid's members in the operator's order: the first that is well is asked, and the first of all again as soon as
 * it has rested. A fail-over to a promoted Grid Master Candidate, and the way back, need nobody.
 */
export class GridHosts {
  readonly #hosts: readonly string[];
  readonly #failedAt = new Map<string, number>();
  readonly #now: () => number;

  /** @param now milliseconds, monotonic */
  constructor(hosts: readonly string[], now: () => number = () => performance.now()) {
    if (hosts.length === 0) throw new Error('at least one grid host is needed');
    this.#hosts = hosts;
    this.#now = now;
  }

  /** The host to ask next: the first that is well, else the one whose failure is longest ago. */
  pick(): string {
    const age = (host: string) => this.#now() - (this.#failedAt.get(host) ?? Number.NEGATIVE_INFINITY);
    const well = this.#hosts.find((host) => age(host) >= rest);
    return well ?? this.#hosts.reduce((oldest, host) => (age(host) > age(oldest) ? host : oldest));
  }

  /** True when another host than `host` is well, so that trying again at once makes sense. */
  hasAnother(host: string): boolean {
    return this.#hosts.some((other) => other !== host && this.#now() - (this.#failedAt.get(other) ?? -rest) >= rest);
  }

  failed(host: string): void {
    this.#failedAt.set(host, this.#now());
  }

  succeeded(host: string): void {
    this.#failedAt.delete(host);
  }
}
