/**
 * The families of addresses that this host may have something of on the grid: those of which it has ever asked or found something, IPv4 always. Searches that
 * name neither a network nor an address cover these, so that a host without IPv6 never asks about it, and needs no rights for it.
 */
import { type Cidr, type Family, families, familyOf, type Interval } from '../address.ts';
import { hasReason } from '../errors.ts';
import type { ReservationFilter } from '../grid.ts';
import type { Facts } from './connection/hosts.ts';
import { type Objects, objectsOf } from './objects.ts';

/** The fact by which a restart does not forget what an ADD may have left. */
const familiesFact = 'families';

export class Families {
  readonly #asked: Set<Family>;
  readonly #facts: Facts | undefined;

  constructor(facts?: Facts) {
    const remembered = facts?.fact(familiesFact)?.split(',') ?? [];
    this.#asked = new Set(families.filter((family) => family === 4 || remembered.includes(String(family))));
    this.#facts = facts;
  }

  /** Gives the objects of the family of a place that is about to be asked about. */
  of(place: Family | string | Cidr | Interval): Objects {
    const family = familyIn(place);
    this.#asked.add(family);
    // Each time: a state that could not be written has forgotten it.
    if (this.#asked.size > 1) this.#facts?.setFact(familiesFact, [...this.#asked].join());
    return objectsOf[family];
  }

  /** Gives the objects of all of them, or of one. */
  searched(family: Family | undefined): Objects[] {
    return (family === undefined ? [...this.#asked] : [family]).map((one) => objectsOf[one]);
  }

  /** Yields what a search finds in one family after another. A refusal of one of which nothing was ever asked says that nothing is there. */
  async *search<T>(
    { network, families = [...this.#asked] }: Pick<ReservationFilter, 'network' | 'families'>,
    search: (objects: Objects) => AsyncIterable<T>,
  ): AsyncGenerator<T> {
    for (const family of network === undefined ? families : [network.family]) {
      try {
        for await (const found of search(objectsOf[family])) {
          // What is there may be looked for again by its mark alone.
          this.of(family);
          yield found;
        }
      } catch (error) {
        if (this.#asked.has(family) || !hasReason(error, 'permission', 'rejected')) throw error;
      }
    }
  }
}

function familyIn(place: Family | string | Cidr | Interval): Family {
  if (typeof place === 'number') return place;
  if (typeof place === 'string') return familyOf(place);
  return 'family' in place ? place.family : familyOf(place.first);
}
