/**
 * What callers were told, and the four invariants that follow from it. The ledger is the only witness of a test: it knows
 * nothing of how the daemon works, only which attachments live and what they were answered.
 */
import { type Attachment, attachmentMark } from '../../src/infoblox/mark.ts';
import { until } from '../fixture/host.ts';
import type { FixedAddressSnapshot, Grid } from '../simulator/grid.ts';

/** Types of objects that a stranger may have in a grid, and that we must never touch. */
const strangersTypes = ['fixedaddress', 'record:host', 'network', 'networkview', 'networkcontainer', 'range'] as const;

export interface Told {
  readonly identity: string;
  readonly address: string;
}

export class Ledger {
  readonly #grid: Grid;
  readonly #cluster: string;
  readonly #live = new Map<string, string>();
  /** Attachments whose last DEL got no answer: they may hold an address, until a later call decides. */
  readonly #unsure = new Set<string>();
  readonly #robbed = new Set<string>();
  readonly #strangers = new Map<string, string>();
  readonly #broken: string[] = [];

  constructor(grid: Grid, cluster = 'cluster-1') {
    this.#grid = grid;
    this.#cluster = cluster;
  }

  identity(node: string, attachment: Attachment): string {
    return attachmentMark({ cluster: this.#cluster, node }, attachment);
  }

  /** An ADD was answered with an address. Two live attachments with one address are noticed here and now. */
  told(identity: string, address: string): void {
    for (const [other, held] of this.#live) {
      if (other === identity || held !== address) continue;
      this.#broken.push(`(a) ${address} was told to ${identity} while ${other} lives on it`);
    }
    const before = this.#live.get(identity);
    if (before !== undefined && before !== address && !this.#robbed.delete(identity)) {
      this.#broken.push(`(b) ${identity} lives on ${before} and was told ${address} by a repeated ADD`);
    }
    this.#live.set(identity, address);
    this.#unsure.delete(identity);
  }

  /** An ADD was answered with an error, or not at all and its plugin has left a note: the attachment does not live, unless it did before. */
  refused(identity: string): void {
    if (!this.#live.has(identity)) this.#unsure.delete(identity);
  }

  /** A DEL begins: from now on the attachment claims nothing, and until the DEL has succeeded nothing is sure. */
  leaving(identity: string): void {
    this.#live.delete(identity);
    this.#unsure.add(identity);
  }

  /** Somebody has removed its reservation by hand: until it is reserved again, (b) is out of our hands. (a) is not. */
  robbed(identity: string): void {
    this.#robbed.add(identity);
  }

  /** A DEL has succeeded, or a release note was left. */
  left(identity: string): void {
    this.#live.delete(identity);
    this.#unsure.delete(identity);
  }

  get live(): readonly Told[] {
    return Array.from(this.#live, ([identity, address]) => ({ identity, address }));
  }

  addressOf(identity: string): string | undefined {
    return this.#live.get(identity);
  }

  /** Remembers everything that is on the grid now as a stranger's. */
  rememberStrangers(): void {
    this.#strangers.clear();
    for (const [ref, text] of this.#contents()) this.#strangers.set(ref, text);
  }

  /** (a) and (b): hold at every moment. Says what is broken, one line each. */
  brokenNow(): string[] {
    const held = new Set(this.#grid.fixedAddresses().map((object) => `${object.ipv4addr} ${object.comment}`));
    const lost = this.live
      .filter(({ identity, address }) => !held.has(`${address} ${identity}`) && !this.#robbed.has(identity))
      .map(({ identity, address }) => `(b) ${address} was told to ${identity} and is not reserved for it`);
    return [...this.#broken, ...lost, ...this.#touchedStrangers()];
  }

  /** (c): objects of ours that nobody lives on; empty some time after the last call. */
  leftOver(): string[] {
    const holders = new Map(this.live.map(({ identity, address }) => [`${address} ${identity}`, 1]));
    return this.reservations()
      .filter(({ ipv4addr, comment }) => {
        const key = `${ipv4addr} ${comment}`;
        const wanted = holders.get(key) ?? 0;
        holders.set(key, 0);
        return wanted === 0 && !this.#unsure.has(comment ?? '');
      })
      .map(({ ipv4addr, comment }) => `(c) ${ipv4addr} stays reserved for ${comment}`);
  }

  /** Waits until nothing is left over, then holds all four invariants. `limit` in milliseconds. */
  async settled(limit = 10_000): Promise<void> {
    await until('everything that nobody holds is given back', () => this.leftOver().length === 0, limit).catch(
      () => {},
    );
    const broken = [...this.brokenNow(), ...this.leftOver()];
    if (broken.length > 0) throw new Error(`invariants broken:\n${broken.join('\n')}`);
  }

  /** Reservations for containers that were not there before: those of the hosts of this test. */
  reservations(): FixedAddressSnapshot[] {
    return this.#grid
      .fixedAddresses()
      .filter(({ comment = '', _ref }) => comment.startsWith('infoblox-cni cluster=') && !this.#strangers.has(_ref));
  }

  /** (d): a stranger's object is as it was, byte for byte. */
  #touchedStrangers(): string[] {
    if (this.#strangers.size === 0) return [];
    const now = this.#contents();
    return [...this.#strangers]
      .filter(([ref, text]) => now.get(ref) !== text)
      .map(([ref, text]) => `(d) a stranger's object was ${now.has(ref) ? 'changed' : 'removed'}: ${text}`);
  }

  #contents(): Map<string, string> {
    const objects = strangersTypes.flatMap((type) => this.#grid.objects(type));
    return new Map(objects.map((object) => [object._ref, JSON.stringify(object, withoutCounters)]));
  }
}

/** A network's counters follow what lies in it: they change without anybody touching the network. */
function withoutCounters(key: string, value: unknown): unknown {
  return /utilization|_hosts$/.test(key) ? undefined : value;
}

/** Objects of others that resemble ours as closely as anything may: a mistake in a search or a delete would hit them. */
export function plantStrangers(grid: Grid): void {
  const reservation = { match_client: 'RESERVED', mac: '00:00:00:00:00:00' };
  const identity = (cluster: string, node: string, network: string, container: string) =>
    `infoblox-cni cluster=${cluster} node=${node} network=${network} container=${container} interface=eth0`;
  grid.add('networkview', { name: 'theirs' });
  for (const [network, network_view] of [
    ['10.0.0.0/24', 'default'],
    ['10.0.0.0/24', 'theirs'],
    ['192.0.2.0/24', 'default'],
  ] as const) {
    grid.add('network', { network, network_view, comment: 'of the DDI team' });
  }
  grid.add('fixedaddress', { ...reservation, ipv4addr: '10.0.0.1', comment: 'router', name: 'gateway' });
  grid.add('fixedaddress', { ipv4addr: '10.0.0.9', mac: '02:00:00:00:00:09', name: 'printer' });
  grid.add('fixedaddress', { ...reservation, ipv4addr: '10.0.0.4' });
  grid.add('fixedaddress', {
    ...reservation,
    ipv4addr: '10.0.0.6',
    comment: identity('other', 'host-a', 'net-1', 'c1'),
  });
  grid.add('fixedaddress', {
    ...reservation,
    ipv4addr: '10.0.0.7',
    comment: identity('cluster-1', 'host', 'net-1', 'c1'),
  });
  grid.add('fixedaddress', {
    ...reservation,
    ipv4addr: '10.0.0.2',
    network_view: 'theirs',
    comment: identity('cluster-1', 'host-z', 'net-1', 'c1'),
  });
  grid.add('record:host', { name: 'old-server', configure_for_dns: false, ipv4addrs: [{ ipv4addr: '10.0.0.3' }] });
  grid.add('range', { start_addr: '10.0.0.200', end_addr: '10.0.0.210' });
}
