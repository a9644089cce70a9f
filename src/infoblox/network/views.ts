/**
 * Network views, created if absent, unless they were renamed: containers use addresses in a renamed view, and a network
 * in a new view of the old name would allocate them a second time.
 */
import { type Cidr, isWithin } from '../address.ts';
import { GridError, mayExist } from '../errors.ts';
import { type Grid, type Reservation, shownBest } from '../grid.ts';
import type { Log } from '../log.ts';
import { type Origin, parseMark, shortNetworkName } from '../mark.ts';
import { familyOfSpec } from './sets.ts';
import type { NetworkSpec } from './spec.ts';

/** Number of this host's reservations to look for: one may have been deleted by hand, not all. */
const maxSamples = 3;

/** This host's bound leases, from its state. */
export interface BoundLeases {
  /** Lists those of a view. `network`: its name, as in marks. */
  boundIn(
    view: string,
  ): readonly { readonly mark: string; readonly network: string; readonly address: string | null }[];
}

/** Tells whether this host has a bound lease of a spec's name in a network. */
export function hasLeaseIn(
  leases: BoundLeases,
  { name, view }: Pick<NetworkSpec, 'name' | 'view'>,
  cidr: Cidr,
): boolean {
  const network = shortNetworkName(name);
  return leases.boundIn(view).some((lease) => {
    return lease.network === network && lease.address !== null && isWithin(lease.address, cidr);
  });
}

/** Dependencies of finding and creating networks. */
export interface NetworkDeps {
  readonly grid: Grid;
  readonly leases: BoundLeases;
  readonly host: Origin;
  /** Views in which this daemon has used a network: there other hosts' reservations in another view count, too. */
  readonly usedViews: Set<string>;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

/** Dependencies of reads. */
export type NetworkReadDeps = Omit<NetworkDeps, 'log'>;

/** A network that was found or created. */
export interface FoundNetwork {
  readonly cidr: Cidr;
  /** This call has created it, or must confirm it before an address is taken from it. */
  readonly isNew: boolean;
}

/**
 * Refuses to create a network in a renamed view. There are two signs: a lease of this host in the view is reserved in
 * another one, even if a view of that name exists again; or the view is absent, and containers of this network have
 * addresses in another one. The reads run concurrently.
 * @param known.viewExists if it was read already
 * @returns whether the view exists
 * @throws GridError `network-conflict` with the other view
 */
export async function refuseRenamedView(
  deps: NetworkReadDeps,
  { spec, known = {} }: { readonly spec: NetworkSpec; readonly known?: { readonly viewExists?: boolean } | undefined },
  signal: AbortSignal,
): Promise<boolean> {
  const { view } = spec;
  const [exists, ofLease, ofNetwork] = await Promise.all([
    known.viewExists ?? deps.grid.exists({ view }, signal),
    leaseElsewhere(deps, view, signal),
    known.viewExists === true ? undefined : networkElsewhere(deps, spec, signal),
  ]);
  const elsewhere = ofLease ?? (exists ? undefined : ofNetwork);
  if (elsewhere === undefined) return exists;
  const { address, view: now, comment } = elsewhere;
  throw new GridError(
    'network-conflict',
    `network view ${view} has been renamed to ${now}, it seems: ${address} is reserved there, "${comment}"`,
    {
      hint: `set network-view to ${now}, or rename the view back; if ${view} is meant to be another view, make the network in it by hand`,
    },
  );
}

/**
 * Creates an absent view. Another host may be faster.
 * @throws GridError if the grid refuses it and it does not exist
 */
export async function createView(
  { grid, log }: Pick<NetworkDeps, 'grid' | 'log'>,
  view: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    await grid.create({ view }, signal);
  } catch (error) {
    if (mayExist(error) && (await grid.exists({ view }, signal))) return;
    throw error;
  }
  const hint = 'if it is not meant to be: correct network-view, and remove the view';
  log.warn('created on the grid', { kind: 'network view', name: view, view, hint });
}

/** Finds a lease of this view in the state that the grid has in another view. */
async function leaseElsewhere(
  { grid, leases }: NetworkReadDeps,
  view: string,
  signal: AbortSignal,
): Promise<Reservation | undefined> {
  const looks = leases
    .boundIn(view)
    .slice(0, maxSamples)
    .map(async ({ mark }) => {
      const { found } = await grid.find(mark, {}, signal);
      return found.find((one) => one.view !== view);
    });
  return (await Promise.all(looks)).find((moved) => moved !== undefined);
}

/** Finds a reservation of this network in another view: the state may be new, or the view another host's. */
async function networkElsewhere(
  { grid, host, usedViews }: NetworkReadDeps,
  spec: NetworkSpec,
  signal: AbortSignal,
): Promise<Reservation | undefined> {
  const { name, view, place } = spec;
  const marks = { ...(usedViews.has(view) ? { cluster: host.cluster } : host), network: name };
  const within = place.kind === 'subnet' ? [place.cidr] : place.containers;
  const filter = { marks, families: [familyOfSpec(spec)], ...(place.kind === 'subnet' && { network: place.cidr }) };
  // A host that lags behind lacks the latest reservations, so it would allow the new view.
  return shownBest(async (confirm) => {
    for await (const one of grid.list({ ...filter, confirm }, signal)) {
      if (one.view === view || parseMark(one.comment) === undefined) continue;
      if (within.some((cidr) => isWithin(one.address, cidr))) return one;
    }
    return undefined;
  });
}
