/**
 * Tracks the names of this host. A host may be renamed while containers run on it. Leases under an earlier name are still found while the
 * state has them; new ones get the present name. An earlier name is never searched for on the grid: another machine may have it now.
 */
import { type Attachment, attachmentMark, hostPrefix, type Origin, parseMark } from '../mark.ts';
import type { LeaseStore } from './store/lease-store.ts';

export class FormerNames {
  readonly present: Origin;
  readonly #former: readonly Origin[];
  readonly #store: LeaseStore;

  /** Reads the earlier names from the marks of bound leases; new leases never use them. */
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

  /** The present name, then earlier names with leases. */
  get all(): readonly [Origin, ...Origin[]] {
    return [this.present, ...this.#former.filter((origin) => this.#hasLeases(hostPrefix(origin)))];
  }

  /**
   * Returns the mark of an attachment: of its bound lease, if any; under the present name if it is unknown.
   */
  markOf(attachment: Attachment): string {
    const [present, ...former] = this.marksOf(attachment);
    if (former.length === 0) return present;
    const known = [present, ...former].filter((mark) => this.#store.get(mark) !== undefined);
    return known.find((mark) => this.#isBound(mark)) ?? known[0] ?? present;
  }

  /** Returns the mark for an ADD: of the attachment's bound lease, if any, otherwise under the present name. */
  markToGive(attachment: Attachment): string {
    const [present, ...former] = this.marksOf(attachment);
    return former.find((mark) => this.#isBound(mark)) ?? present;
  }

  #isBound(mark: string): boolean {
    return this.#store.get(mark)?.phase === 'bound';
  }

  /** Lists all marks that the attachment may have, starting with the present name's. */
  marksOf(attachment: Attachment): [string, ...string[]] {
    const [present, ...former] = this.all;
    const mark = (origin: Origin) => attachmentMark(origin, attachment);
    return [mark(present), ...former.map(mark)];
  }

  #hasLeases(prefix: string): boolean {
    return this.#store.where(({ mark }) => mark.startsWith(prefix)).length > 0;
  }
}
