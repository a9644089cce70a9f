import { type Cidr, hostBounds } from './address.ts';

/** An inclusive span of addresses. */
export interface Span {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * The taken addresses of one network, and the lowest free one.
 *
 * A cursor remembers where the last search ended: filling a network takes constant time per address instead of a scan
 * from the bottom. Releasing an address moves the cursor down. Hosts may share an address (WAPI: host addresses without
 * DHCP do not exclude each other), so holders are counted.
 */
export class AddressPool {
  readonly #holders = new Map<bigint, number>();
  readonly #ranges = new Set<Span>();
  readonly #first: bigint;
  readonly #last: bigint;
  /** Every address below it is taken or inside a range. */
  #cursor: bigint;

  constructor(cidr: Cidr) {
    const { first, last } = hostBounds(cidr);
    this.#first = first;
    this.#last = last;
    this.#cursor = first;
  }

  take(address: bigint): void {
    this.#holders.set(address, (this.#holders.get(address) ?? 0) + 1);
  }

  release(address: bigint): void {
    const left = (this.#holders.get(address) ?? 0) - 1;
    if (left > 0) {
      this.#holders.set(address, left);
      return;
    }
    this.#holders.delete(address);
    if (address < this.#cursor && !this.#rangeAround(address))
      this.#cursor = address > this.#first ? address : this.#first;
  }

  addRange(range: Span): void {
    this.#ranges.add(range);
  }

  removeRange(range: Span): void {
    this.#ranges.delete(range);
    if (range.first < this.#cursor) this.#cursor = range.first > this.#first ? range.first : this.#first;
  }

  /** The number of taken addresses. */
  get taken(): number {
    return this.#holders.size;
  }

  isTaken(address: bigint): boolean {
    return this.#holders.has(address);
  }

  /**
   * Returns the lowest `count` free addresses in order, or fewer. Skips taken addresses, `exclude`, network and
   * broadcast addresses, and DHCP ranges (WAPI: next available address of a network).
   */
  lowestFree(count: number, exclude: ReadonlySet<bigint> = new Set()): bigint[] {
    for (; this.#cursor <= this.#last; this.#cursor++) {
      if (this.isTaken(this.#cursor)) continue;
      const range = this.#rangeAround(this.#cursor);
      if (!range) break;
      this.#cursor = range.last;
    }
    return this.#scan({ first: this.#cursor, last: this.#last }, count, exclude, true);
  }

  /** As lowestFree, inside one range, whatever other ranges contain. */
  lowestFreeIn(range: Span, count: number, exclude: ReadonlySet<bigint> = new Set()): bigint[] {
    return this.#scan(range, count, exclude, false);
  }

  #scan(span: Span, count: number, exclude: ReadonlySet<bigint>, avoidRanges: boolean): bigint[] {
    const found: bigint[] = [];
    for (let address = span.first; address <= span.last && found.length < count; address++) {
      const range = avoidRanges ? this.#rangeAround(address) : undefined;
      if (range) address = range.last;
      else if (!this.isTaken(address) && !exclude.has(address)) found.push(address);
    }
    return found;
  }

  #rangeAround(address: bigint): Span | undefined {
    for (const range of this.#ranges) if (address >= range.first && address <= range.last) return range;
    return undefined;
  }
}
