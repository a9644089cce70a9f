/**
 * The port to a grid: what the driver asks of one, in its own words. `WapiGrid` speaks WAPI to a real one; another implementation
 * may live in memory. test/integration/infoblox/grid-contract.ts says what each has to do.
 *
 * All verbs throw GridError. Reads may be sent again, writes are not, once they may have arrived: the `outcome` of the error says
 * what a write that failed has done. `none`: nothing, and it never will. `unknown`: it is over, and only a look tells how.
 * `open`: its answer was lost, so it may be carried out later, even after a look that does not show it.
 *
 * A grid has hosts of which only one accepts writes; any other may lag behind it. `confirm` asks that one alone: a whole answer, and
 * `unconfirmed` if it cannot be asked.
 */
import type { Cidr, Family, Interval } from './address.ts';
import type { Attributes } from './attributes.ts';
import { type Backoff, type Clock, pauseBefore } from './concurrency/clock.ts';
import { GridError } from './errors.ts';
import type { MarkFilter } from './mark.ts';

/** Milliseconds after the answer that has shown an object in which a write to it has to leave. */
export const sightingMaxAgeMs = 1_000;

declare const madeByTheGrid: unique symbol;

/**
 * Where and when the grid has shown an object, and what it calls it: only an implementation of `Grid` makes one. The names are natural
 * keys: a moment later, or on another host, the same one may be somebody else's object.
 */
export interface Sighting {
  readonly host: string;
  /** When the answer was here, as the clock's `now`. */
  readonly answeredAt: number;
  readonly object: string;
  readonly [madeByTheGrid]: true;
}

/** Makes a sighting: for implementations of `Grid`. */
export function sighting(seen: Pick<Sighting, 'host' | 'answeredAt' | 'object'>): Sighting {
  return seen as Sighting;
}

/** An address that the grid keeps. */
export interface Reservation {
  readonly address: string;
  readonly view: string;
  readonly comment: string;
  /** Whether no client of DHCP gets it: what `reserve` makes. Else it is somebody's, or somebody has altered it. */
  readonly isReserved: boolean;
  /** By what the grid gives it to a client of DHCP, in its words; `RESERVED` if to none. */
  readonly matchedBy: string;
  /** MAC address of that client; empty in IPv6. */
  readonly mac: string;
  readonly seen: Sighting;
}

/** A reservation with all that tells who has made it. */
export interface DescribedReservation extends Reservation {
  /** Where its network lies; undefined if the grid does not say it. */
  readonly network: Cidr | undefined;
  readonly name: string;
  /** Extensible attributes of its own, not those that it inherits from its network. */
  readonly attributes: ReadonlyMap<string, unknown>;
}

export interface Network {
  readonly cidr: Cidr;
  readonly view: string;
  readonly comment: string;
  /** Network names in its extensible attribute. */
  readonly names: readonly string[];
  readonly seen: Sighting;
}

/** A part of a network, of which next-available on the network gives no address. Reservations may lie inside. */
export interface Range extends Interval {
  readonly view: string;
  readonly network: Cidr;
  readonly comment: string;
  /** Whether no member serves it to clients of DHCP: what `createRange` makes. */
  readonly isReserved: boolean;
  readonly seen: Sighting;
}

/** An address at which the grid has something: a reservation, a lease, a host, a record, a device that it has discovered. */
export interface Occupant {
  readonly address: string;
  /** Of the reservation, if that is all there is; else empty, as it may be on grids that do not say it here. */
  readonly comment: string;
}

/** What a write to an object takes: that a look has shown it. */
export type Sighted = Pick<Reservation | Network | Range, 'seen'>;

/** A network, by its CIDR or by an address in it. */
export type NetworkPlace = { readonly view: string } & ({ readonly cidr: Cidr } | { readonly address: string });

/**
 * Where an address comes from: the next free one of a network or of a range with exactly these bounds, or this one. The family is that
 * of the addresses.
 */
export type AddressSource = Pool | { readonly view: string; readonly address: string };

/** What the grid is asked for the next free address of. */
export interface Pool {
  readonly view: string;
  readonly nextOf: Cidr | Interval;
  /** Addresses that it must not be. */
  readonly exclude?: readonly string[];
}

/** Where a network comes from: the next free one of so many bits in a network container, or this one. */
export type NetworkSource = { readonly view: string } & (
  | { readonly nextOf: Cidr; readonly prefixLength: number }
  | { readonly cidr: Cidr }
);

/** What is said of a reservation or a range. */
export interface Description {
  readonly comment: string;
  readonly name: string;
  readonly attributes: Attributes;
}

/** Where a mark is looked for: in all views, or in both families as far as this host has asked for addresses of them, if left out. */
export interface MarkPlace {
  readonly view?: string | undefined;
  readonly family?: Family | undefined;
}

/** Which reservations are meant: those to which all applies that is there. */
export interface ReservationFilter {
  /** Their comment begins as such a mark. */
  readonly marks?: MarkFilter;
  /** They lie in this network. */
  readonly network?: Cidr;
  /**
   * Of networks of these families, if no network is named; if left out, of those of which this host has asked for addresses, IPv4
   * always. Of another one there is nothing where this user may not see it.
   */
  readonly families?: readonly Family[] | undefined;
  readonly view?: string | undefined;
  readonly confirm?: boolean;
}

/** Which ranges are meant, likewise. */
export interface RangeFilter extends ReservationFilter {
  /** Their comment is exactly this. */
  readonly mark?: string;
  /** They share addresses with this. A grid searches by no interval: name the network, too. */
  readonly touching?: Interval;
}

/** A network view or, in it, a network container. */
export interface Surroundings {
  readonly view: string;
  readonly container?: Cidr;
}

export interface Grid {
  /**
   * Finds the objects whose comment is exactly a mark; none where the view is not there.
   * @returns `unconfirmed`: why no host that is known to accept writes could be asked, if that is so: what is found may be out of date
   */
  find(
    mark: string,
    place: MarkPlace,
    signal: AbortSignal,
  ): Promise<{ readonly found: Reservation[]; readonly unconfirmed?: GridError }>;

  /** Finds what is reserved at an address. @param view undefined: all */
  at(address: string, view: string | undefined, signal: AbortSignal): Promise<Reservation[]>;

  /** Lists reservations, however many, while they come. A list that cannot be read to its end ends with an error. */
  list(filter: ReservationFilter, signal: AbortSignal): AsyncIterable<Reservation>;

  /** As `list`. @param filter `attributes`: that they have; none where the grid does not define them; `address`: where they are */
  listDescribed(
    filter: ReservationFilter & { readonly attributes?: Attributes; readonly address?: string },
    signal: AbortSignal,
  ): AsyncIterable<DescribedReservation>;

  /** Tells whether anything uses an address, also what is no reservation. @returns undefined if this user must not know */
  isUsed(address: string, view: string, signal: AbortSignal): Promise<boolean | undefined>;

  /**
   * Reserves an address.
   * @returns what the grid says that it has made, which is to be compared with what was asked for
   * @throws GridError `no-free-address`; `conflict` if it is taken, perhaps by a host that came first; `missing` if the network is gone
   */
  reserve(
    wanted: Description & { readonly source: AddressSource },
    signal: AbortSignal,
  ): Promise<Pick<Reservation, 'address' | 'view'>>;

  /** Lists ranges. A list that cannot be read to its end ends with an error. */
  ranges(filter: RangeFilter, signal: AbortSignal): Promise<Range[]>;

  /**
   * Reserves a range.
   * @throws GridError `conflict` if another range has some of its addresses; `missing` if the network is gone
   */
  createRange(wanted: Interval & Pick<Range, 'network' | 'view'> & Description, signal: AbortSignal): Promise<void>;

  /**
   * Lists, in order, the addresses of an interval at which anything is; the range or network that they are part of is nothing. None where
   * the network is not there.
   * @throws GridError `permission` if this user must not know
   */
  occupants(
    interval: Interval,
    where: Pick<Range, 'network' | 'view'> & Pick<RangeFilter, 'confirm'>,
    signal: AbortSignal,
  ): Promise<Occupant[]>;

  /**
   * Says something else of an object; what is left out stays. As `remove`, it goes to the host that has shown the object, leaves within `sightingMaxAgeMs` of its answer, and is sent once.
   * @param label `attributes`: instead of all that it has
   * @throws GridError with `mayLookAgain` if it was not carried out and another look may lead to one that is: `busy` if it was not
   * sent, `missing` if the object is gone, `unconfirmed` if only a host says so that may lag behind
   */
  relabel(
    object: Sighted,
    label: Pick<Description, 'comment'> & Partial<Description>,
    signal: AbortSignal,
  ): Promise<void>;

  /**
   * Deletes an object: a network with all that is in it, a range without. One that is gone already is fine, if a host says so that is
   * known to accept writes.
   * @throws as `relabel`
   */
  remove(object: Sighted, signal: AbortSignal): Promise<void>;

  /** Finds a network. */
  networkAt(
    where: Pick<Network, 'cidr' | 'view'> & Pick<ReservationFilter, 'confirm'>,
    signal: AbortSignal,
  ): Promise<Network | undefined>;

  /**
   * Says where a network lies and how full it is, as the grid has counted last.
   * @returns `tenths`: of a per cent of its addresses, undefined if the grid does not count them, as in IPv6; undefined if it has no network there
   */
  utilization(
    place: NetworkPlace,
    signal: AbortSignal,
  ): Promise<{ readonly cidr: Cidr; readonly tenths: number | undefined } | undefined>;

  /**
   * Finds the networks of a view and a family that carry a network name, in their extensible attribute or, with whatever follows it, in
   * their comment. One may be shown twice, by two looks.
   */
  networksNamed(
    name: string,
    where: { readonly view: string; readonly family: Family },
    signal: AbortSignal,
  ): Promise<Network[]>;

  /** Finds the networks of a view that share addresses with a network, other than itself. */
  networksOverlapping(cidr: Cidr, view: string, signal: AbortSignal): Promise<Cidr[]>;

  /**
   * Creates a network of a network name.
   * @throws GridError `no-free-network`; `conflict` if its place is taken, perhaps by a host that came first; `missing` if the view or the
   * container is gone
   */
  createNetwork(
    wanted: { readonly source: NetworkSource; readonly name: string; readonly comment: string },
    signal: AbortSignal,
  ): Promise<Cidr>;

  /** Tells whether there is an address or a network to be had, and takes none. @returns undefined if what it would come from is not there */
  hasRoom(
    source: Pool | Extract<NetworkSource, { readonly nextOf: unknown }>,
    signal: AbortSignal,
  ): Promise<boolean | undefined>;

  exists(surroundings: Surroundings, signal: AbortSignal): Promise<boolean>;

  /** @throws GridError `conflict` if it is there, or something else in its place */
  create(surroundings: Surroundings, signal: AbortSignal): Promise<void>;
}

/** Looks again after a failed write to an object that a look had shown, at most. */
const maxLooksAgain = 5;
/** Before each: together they outlast a fail-over of 4-5 s (NIOS 9.0 documentation, "About HA Failover"). */
const lookPause: Backoff = { firstMs: 250, maxMs: 3_000 };

/**
 * Waits before the look that a failed write to an object calls for; not if the grid has only refused an attribute.
 * @param after `failures`: of such writes before this one
 * @returns the same with this one
 * @throws the error if no look helps, or the signal fires first
 */
export async function pauseBeforeLook(
  error: unknown,
  {
    clock,
    random,
    failures,
  }: { readonly clock: Pick<Clock, 'sleep'>; readonly random: () => number; readonly failures: number },
  signal: AbortSignal,
): Promise<number> {
  if (!(error instanceof GridError) || !error.mayLookAgain || failures >= maxLooksAgain) throw error;
  if (error.attribute !== undefined) return failures;
  await clock.sleep(pauseBefore(failures, lookPause, random), signal, error);
  return failures + 1;
}
