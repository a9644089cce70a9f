/**
 * The port to a grid: the driver's requests in its own terms. `WapiGrid` speaks WAPI to a real grid; other implementations may be in memory.
 * test/integration/infoblox/grid-contract.ts defines what each must do.
 *
 * All methods throw GridError. Reads may be repeated. Writes that may have arrived are not; the error's `outcome` says what a failed write did.
 * `none`: nothing, now or later. `unknown`: it has ended, and only a look shows how. `open`: its answer was lost, so it may be carried out
 * later, even after a look that does not show it.
 *
 * Only one host of a grid accepts writes; the others may lag behind it. `confirm` asks only that host: the answer is complete, or `unconfirmed`
 * if the host cannot be asked.
 */
import type { Cidr, Family, Interval } from './address.ts';
import type { Attributes } from './attributes.ts';
import { type Backoff, type Clock, pauseBefore } from './concurrency/clock.ts';
import { GridError, hasReason } from './errors.ts';
import type { MarkFilter } from './mark.ts';

/** Milliseconds between the answer that showed an object and the sending of a write to it, at most. */
export const maxSightingAgeMs = 1_000;

declare const madeByTheGrid: unique symbol;

/**
 * Where and when the grid has shown an object, and its reference. Only implementations of `Grid` make one. References are natural keys: a
 * moment later, or on another host, the same one may name somebody else's object.
 */
export interface Sighting {
  readonly host: string;
  /** When the answer arrived, by the clock's `now`. */
  readonly answeredAt: number;
  readonly object: string;
  readonly [madeByTheGrid]: true;
}

/** Makes a sighting; for implementations of `Grid` only. */
export function sighting(seen: Pick<Sighting, 'host' | 'answeredAt' | 'object'>): Sighting {
  return seen as Sighting;
}

/** A reserved address on the grid. */
export interface Reservation {
  readonly address: string;
  readonly view: string;
  readonly comment: string;
  /** Whether no DHCP client gets it, as `reserve` makes it. Otherwise it is somebody else's, or was altered. */
  readonly isReserved: boolean;
  /** The grid's term for how a DHCP client gets it; `RESERVED` if none does. */
  readonly matchedBy: string;
  /** The client's MAC address; empty in IPv6. */
  readonly mac: string;
  readonly seen: Sighting;
}

/** A reservation with everything that shows who made it. */
export interface DescribedReservation extends Reservation {
  /** Its network; undefined if the grid does not say. */
  readonly network: Cidr | undefined;
  readonly name: string;
  /** Its own extensible attributes, without inherited ones. */
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

/** A range of a network. Next-available on the network skips its addresses. It may contain reservations. */
export interface Range extends Interval {
  readonly view: string;
  readonly network: Cidr;
  readonly comment: string;
  /** Whether no member serves it to DHCP clients, as `createRange` makes it. */
  readonly isReserved: boolean;
  readonly seen: Sighting;
}

/** An address with an object on the grid: a reservation, a lease, a host, a record, a discovered device. */
export interface Occupant {
  readonly address: string;
  /** The reservation's comment if there is nothing else; otherwise empty. Also empty on grids that do not return it here. */
  readonly comment: string;
}

/** An object that a look has shown; writes require one. */
export type Sighted = Pick<Reservation | Network | Range, 'seen'>;

/** A network, by its CIDR or by an address in it. */
export type NetworkPlace = { readonly view: string } & ({ readonly cidr: Cidr } | { readonly address: string });

/**
 * Where an address comes from: the next free one of a network or of a range with exactly these bounds, or this address. The family follows from
 * the addresses.
 */
export type AddressSource = Pool | { readonly view: string; readonly address: string };

/** A network or range with a next free address. */
export interface Pool {
  readonly view: string;
  readonly nextOf: Cidr | Interval;
  /** Addresses to skip. */
  readonly exclude?: readonly string[];
}

/** Where a network comes from: the next free one of a size in a network container, or this network. */
export type NetworkSource = { readonly view: string } & (
  | { readonly nextOf: Cidr; readonly prefixLength: number }
  | { readonly cidr: Cidr }
);

/** The description of a reservation or a range. */
export interface Description {
  readonly comment: string;
  readonly name: string;
  readonly attributes: Attributes;
}

/** Where to look for a mark. Default: all views, and the families of which this host has requested addresses. */
export interface MarkPlace {
  readonly view?: string | undefined;
  readonly family?: Family | undefined;
}

/** Selects reservations that match all given fields. */
export interface ReservationFilter {
  /** Their comment starts like such a mark. */
  readonly marks?: MarkFilter;
  /** Their network. */
  readonly network?: Cidr;
  /**
   * Families of their networks if no network is given. Default: IPv4, and the families of which this host has requested addresses. A family
   * that this user may not see gives nothing.
   */
  readonly families?: readonly Family[] | undefined;
  readonly view?: string | undefined;
  readonly confirm?: boolean;
}

/** Selects ranges likewise. */
export interface RangeFilter extends ReservationFilter {
  /** An interval that they overlap. A grid cannot search by interval: give the network, too. */
  readonly touching?: Interval;
}

/** A network view, or a network container in it. */
export interface Surroundings {
  readonly view: string;
  readonly container?: Cidr;
}

export interface Grid {
  /** How many background requests may be sent now: none while calls wait, few while the grid is slow. */
  readonly spare: number;

  /**
   * Finds the objects whose comment is exactly a mark; none if the view does not exist.
   * @returns `unconfirmed`: set, with the reason, if no host that accepts writes could be asked: the result may be out of date
   */
  find(
    mark: string,
    place: MarkPlace,
    signal: AbortSignal,
  ): Promise<{ readonly found: Reservation[]; readonly unconfirmed?: GridError }>;

  /**
   * Finds the reservations of an address.
   * @param view undefined: all
   */
  at(address: string, view: string | undefined, signal: AbortSignal): Promise<Reservation[]>;

  /** Lists any number of reservations as they arrive. An incomplete list ends with an error. */
  list(filter: ReservationFilter, signal: AbortSignal): AsyncIterable<Reservation>;

  /**
   * As `list`.
   * @param filter `attributes`: attributes of the reservations, none match if the grid does not define them; `address`: their address
   */
  listDescribed(
    filter: ReservationFilter & { readonly attributes?: Attributes; readonly address?: string },
    signal: AbortSignal,
  ): AsyncIterable<DescribedReservation>;

  /**
   * Reserves an address.
   * @param wanted `neededBy`: when the caller stops waiting, as the clock's `now`. A request that had to wait is not sent if the answer would be too late
   * @returns the object that the grid has made, to be compared with the request
   * @throws GridError `no-free-address`; `conflict` if it is taken, perhaps by a faster host; `missing` if the network is gone
   */
  reserve(
    wanted: Description & { readonly source: AddressSource; readonly neededBy?: number | undefined },
    signal: AbortSignal,
  ): Promise<Pick<Reservation, 'address' | 'view'>>;

  /** Lists ranges. An incomplete list ends with an error. */
  ranges(filter: RangeFilter, signal: AbortSignal): Promise<Range[]>;

  /**
   * Reserves a range.
   * @throws GridError `conflict` if another range overlaps it; `missing` if the network is gone
   */
  createRange(wanted: Interval & Pick<Range, 'network' | 'view'> & Description, signal: AbortSignal): Promise<void>;

  /**
   * Lists, in order, the addresses of an interval with an object on the grid, not counting their range and network. None if the network does
   * not exist.
   * @throws GridError `permission` if this user must not know
   */
  occupants(
    interval: Interval,
    where: Pick<Range, 'network' | 'view'> & Pick<RangeFilter, 'confirm'>,
    signal: AbortSignal,
  ): Promise<Occupant[]>;

  /**
   * Changes the description of an object; fields that are left out stay. Like `remove`, it is sent once, to the host that has shown the object,
   * within `maxSightingAgeMs` of its answer.
   * @param label `attributes`: replaces all attributes of the object
   * @throws GridError with `mayLookAgain` if it was not carried out and may succeed after another look: `busy` if it was not sent, `missing` if
   * the object is gone, `unconfirmed` if only a lagging host says so
   */
  relabel(
    object: Sighted,
    label: Pick<Description, 'comment'> & Partial<Description>,
    signal: AbortSignal,
  ): Promise<void>;

  /**
   * Deletes an object: a network with its contents, a range without. A missing object counts as deleted if a host that accepts writes says so.
   * @throws as `relabel`
   */
  remove(object: Sighted, signal: AbortSignal): Promise<void>;

  /** Finds a network. */
  networkAt(
    where: Pick<Network, 'cidr' | 'view'> & Pick<ReservationFilter, 'confirm'>,
    signal: AbortSignal,
  ): Promise<Network | undefined>;

  /**
   * Returns a network's CIDR and utilisation, as the grid has counted last.
   * @returns `tenths`: per mille of its addresses, undefined if the grid does not count them, as in IPv6; undefined if there is no network
   */
  utilization(
    place: NetworkPlace,
    signal: AbortSignal,
  ): Promise<{ readonly cidr: Cidr; readonly tenths: number | undefined } | undefined>;

  /**
   * Finds the networks of a view and family that have a network name, in their extensible attribute or at the start of their comment. The same
   * network may appear twice.
   */
  networksNamed(
    name: string,
    where: { readonly view: string; readonly family: Family },
    signal: AbortSignal,
  ): Promise<Network[]>;

  /** Finds the networks of a view that overlap a network, except itself; asks as `shownBest`. */
  networksOverlapping(cidr: Cidr, view: string, signal: AbortSignal): Promise<Cidr[]>;

  /**
   * Creates a network for a network name.
   * @throws GridError `no-free-network`; `conflict` if its place is taken, perhaps by a faster host; `missing` if the view or the container is
   * gone
   */
  createNetwork(
    wanted: { readonly source: NetworkSource; readonly name: string; readonly comment: string },
    signal: AbortSignal,
  ): Promise<Cidr>;

  /**
   * Tells whether a free address or network exists; takes none.
   * @returns undefined if its source does not exist
   */
  hasRoom(
    source: Pool | Extract<NetworkSource, { readonly nextOf: unknown }>,
    signal: AbortSignal,
  ): Promise<boolean | undefined>;

  exists(surroundings: Surroundings, signal: AbortSignal): Promise<boolean>;

  /**
   * Creates a view or a container.
   * @throws GridError `conflict` if it, or something else in its place, exists
   */
  create(surroundings: Surroundings, signal: AbortSignal): Promise<void>;
}

/** Maximum number of retries of a request, or of a write to an object after another look. */
export const maxRetries = 5;
/** Pauses before each. Together they outlast a failover of 4-5 s (NIOS 9.0 documentation, "About HA Failover"). */
export const retryPause: Backoff = { firstMs: 250, maxMs: 3_000 };

/**
 * Waits before the look after a failed write to an object; returns at once if the grid only refused an attribute.
 * @param after `failures`: the number of earlier failures
 * @returns the number including this one
 * @throws the error if a look cannot help, or the signal fires first
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
  if (!(error instanceof GridError) || !error.mayLookAgain || failures >= maxRetries) throw error;
  if (error.attribute !== undefined) return failures;
  await clock.sleep(pauseBefore(failures, retryPause, random), signal, error);
  return failures + 1;
}

/** Asks the host that accepts writes before a create, or any host if that one cannot be asked: the create then finds it. */
export async function shownBest<T>(look: (confirm: boolean) => Promise<T>): Promise<T> {
  try {
    return await look(true);
  } catch (error) {
    if (!hasReason(error, 'unconfirmed')) throw error;
    return look(false);
  }
}
