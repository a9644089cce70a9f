/**
 * The names under which this host gives addresses. A host may be renamed while containers run on it: what it gave under
 * an earlier name is still found, as long as the state file remembers that name.
 */
import * as v from 'valibot';
import { type Attachment, attachmentComment, type Origin } from './identity.ts';
import type { Store } from './store.ts';

const Remembered = v.array(v.object({ cluster: v.string(), node: v.string() }));
const fact = 'origins';

export class Origins {
  /** The present one first. */
  readonly all: readonly [Origin, ...Origin[]];
  readonly #store: Store;

  /** Remembers `present` in the store. */
  constructor(store: Store, present: Origin) {
    this.#store = store;
    const former = recall(store).filter((origin) => !same(origin, present));
    this.all = [present, ...former];
    const text = JSON.stringify(this.all);
    if (store.fact(fact) !== text) store.setFact(fact, text);
  }

  get present(): Origin {
    return this.all[0];
  }

  /** The identity under which the attachment is known here; under the present name if it is not known at all. */
  identityOf(attachment: Attachment): string {
    const [present, ...former] = this.identitiesOf(attachment);
    if (former.length === 0 || this.#store.get(present) !== undefined) return present;
    return former.find((identity) => this.#store.get(identity) !== undefined) ?? present;
  }

  /** All identities that the attachment may have, the present name's first. */
  identitiesOf(attachment: Attachment): [string, ...string[]] {
    const [present, ...former] = this.all;
    const identity = (origin: Origin) => attachmentComment(origin, attachment);
    return [identity(present), ...former.map(identity)];
  }
}

function recall(store: Store): Origin[] {
  try {
    return v.parse(Remembered, JSON.parse(store.fact(fact) ?? '[]'));
  } catch {
    return [];
  }
}

function same(one: Origin, other: Origin): boolean {
  return one.cluster === other.cluster && one.node === other.node;
}
