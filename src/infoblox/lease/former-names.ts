/**
 * The names under which this host gives addresses. A host may be renamed while containers run on it: what it gave under
 * an earlier name is still found, as long as the state has a lease of it, and what it gives from now on has the present name. Beyond
 * those leases an earlier name means nothing: another machine may have it later, so nothing is looked for on the grid by it.
 */
import * as v from 'valibot';
import { type Attachment, attachmentMark, hostPrefix, type Origin } from '../mark.ts';
import type { LeaseStore } from './store/lease-store.ts';

const Remembered = v.array(v.object({ cluster: v.string(), node: v.string() }));
const fact = 'origins';

export class FormerNames {
  readonly present: Origin;
  readonly #former: readonly Origin[];
  readonly #store: LeaseStore;

  /** Remembers `present` in the store, and forgets the earlier names that no lease has. */
  constructor(store: LeaseStore, present: Origin) {
    this.#store = store;
    this.present = present;
    this.#former = recall(store).filter((origin) => !same(origin, present));
    const text = JSON.stringify(this.all);
    if (store.fact(fact) !== text) store.setFact(fact, text);
  }

  /** The present name, and after it the earlier ones under which this host still has leases. */
  get all(): readonly [Origin, ...Origin[]] {
    return [this.present, ...this.#former.filter((origin) => this.#hasLeases(hostPrefix(origin)))];
  }

  /**
   * The mark under which the attachment is known here: of its bound lease if it has one; under the present name if it is not known
   * at all.
   */
  markOf(attachment: Attachment): string {
    const [present, ...former] = this.marksOf(attachment);
    if (former.length === 0) return present;
    const known = [present, ...former].filter((mark) => this.#store.get(mark) !== undefined);
    return known.find((mark) => this.#isBound(mark)) ?? known[0] ?? present;
  }

  /** The mark under which an ADD gives the attachment an address: of its bound lease if it has one, else under the present name. */
  markToGive(attachment: Attachment): string {
    const [present, ...former] = this.marksOf(attachment);
    return former.find((mark) => this.#isBound(mark)) ?? present;
  }

  #isBound(mark: string): boolean {
    return this.#store.get(mark)?.phase === 'bound';
  }

  /** All marks that the attachment may have, the present name's first. */
  marksOf(attachment: Attachment): [string, ...string[]] {
    const [present, ...former] = this.all;
    const mark = (origin: Origin) => attachmentMark(origin, attachment);
    return [mark(present), ...former.map(mark)];
  }

  #hasLeases(prefix: string): boolean {
    return this.#store.where(({ mark }) => mark.startsWith(prefix)).length > 0;
  }
}

function recall(store: LeaseStore): Origin[] {
  try {
    return v.parse(Remembered, JSON.parse(store.fact(fact) ?? '[]'));
  } catch {
    return [];
  }
}

function same(one: Origin, other: Origin): boolean {
  return one.cluster === other.cluster && one.node === other.node;
}
