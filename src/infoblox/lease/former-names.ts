/**
 * The names under which this host gives addresses. A host may be renamed while containers run on it: what it gave under
 * an earlier name is still found, as long as the state has a lease of it, and what it gives from now on has the present name. Beyond
 * those leases an earlier name means nothing: another machine may have it later, so nothing is looked for on the grid by it.
 */
import { type Attachment, attachmentMark, hostPrefix, type Origin, parseMark } from '../mark.ts';
import type { LeaseStore } from './store/lease-store.ts';

export class FormerNames {
  readonly present: Origin;
  readonly #former: readonly Origin[];
  readonly #store: LeaseStore;

  /** Reads the earlier names from the marks of the bound leases: from now on none is given under them. */
  constructor(store: LeaseStore, present: Origin) {
    this.#store = store;
    this.present = present;
    const former = new Map<string, Origin>();
    for (const { mark } of store.where(({ phase }) => phase === 'bound')) {
      const origin = parseMark(mark)?.origin;
      if (origin !== undefined) former.set(hostPrefix(origin), origin);
    }
    former.delete(hostPrefix(present));
    this.#former = [...former.values()];
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
