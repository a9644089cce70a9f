/**
 * The names under which this host gives addresses. A host may be renamed while containers run on it: what it gave under
 * an earlier name is still found, as long as the state has a lease of it. Beyond those leases an earlier name means nothing:
 * another machine may have it by now, so nothing is looked for on the grid by it.
 */
import * as v from 'valibot';
import { type Attachment, attachmentMark, hostPrefix, type Origin } from '../mark.ts';
import type { SqliteLeaseStore } from './state/store.ts';

const Remembered = v.array(v.object({ cluster: v.string(), node: v.string() }));
const fact = 'origins';

export class FormerNames {
  readonly present: Origin;
  readonly #former: readonly Origin[];
  readonly #store: SqliteLeaseStore;

  /** Remembers `present` in the store, and forgets the earlier names that no lease has. */
  constructor(store: SqliteLeaseStore, present: Origin) {
    this.#store = store;
    this.present = present;
    this.#former = recall(store).filter((origin) => !same(origin, present));
    const text = JSON.stringify(this.all);
    if (store.fact(fact) !== text) store.setFact(fact, text);
  }

  /** The present name, and after it the earlier ones under which this host still has leases. */
  get all(): readonly [Origin, ...Origin[]] {
    return [this.present, ...this.#former.filter((origin) => this.#store.hasAny(hostPrefix(origin)))];
  }

  /** The mark under which the attachment is known here; under the present name if it is not known at all. */
  markOf(attachment: Attachment): string {
    const [present, ...former] = this.marksOf(attachment);
    if (former.length === 0 || this.#store.get(present) !== undefined) return present;
    return former.find((mark) => this.#store.get(mark) !== undefined) ?? present;
  }

  /** All marks that the attachment may have, the present name's first. */
  marksOf(attachment: Attachment): [string, ...string[]] {
    const [present, ...former] = this.all;
    const mark = (origin: Origin) => attachmentMark(origin, attachment);
    return [mark(present), ...former.map(mark)];
  }
}

function recall(store: SqliteLeaseStore): Origin[] {
  try {
    return v.parse(Remembered, JSON.parse(store.fact(fact) ?? '[]'));
  } catch {
    return [];
  }
}

function same(one: Origin, other: Origin): boolean {
  return one.cluster === other.cluster && one.node === other.node;
}
