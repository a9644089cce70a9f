/**
 * Finds fixed addresses of the original driver, infobloxopen/cni-infoblox. They carry no mark: an extensible attribute names the container;
 * host and interface are not recorded. So one counts only if it is exactly as that driver makes them (daemon.go, and AllocateIP of
 * infoblox-go-client 0.8): without a comment, with these four attributes.
 */
import { cloud, vm } from '../attributes.ts';
import type { DescribedReservation, Grid, Sighting } from '../grid.ts';
import { attachmentIn, isOurs } from '../mark.ts';
import { isComplete } from '../network/named-networks.ts';
import type { LeaseDeps } from './deps.ts';
import type { LeaseIdentity } from './lease.ts';
import type { Found } from './plan.ts';

/** `CMP Type` of release 1.0 and of earlier builds. */
const cmpTypes: readonly unknown[] = ['Kubernetes', 'CNI'];
const expected: readonly string[] = [cloud.tenant, cloud.owned, cloud.cmpType, vm.id];
/** `VM ID` of a gateway. */
const noContainer = 'N/A';
/** The original driver knows only IPv4. */
const families = [4] as const;
/** A fixed address without a MAC address reads as reserved. */
const matches: readonly string[] = ['MAC_ADDRESS', 'RESERVED'];

/** A fixed address that the original driver made for a container. */
export interface Original {
  readonly address: string;
  readonly view: string;
  /** CIDR. */
  readonly network: string;
  readonly containerId: string;
  /** Name of the pod; empty if the runtime did not tell it. */
  readonly name: string;
  readonly mac: string;
  readonly seen: Sighting;
  /** How someone changed it, in words that follow "it"; no DEL releases it then. */
  readonly altered?: string | undefined;
}

/**
 * Converts a fixed address that the original driver made for a container.
 * @param tenant the driver's `Tenant ID`
 * @returns undefined if it is not one of the driver, or belongs to a gateway
 */
export function originalOf(object: DescribedReservation, tenant: string): Original | undefined {
  const { attributes: own, address, view, name, mac, seen } = object;
  const network = object.network?.text ?? '';
  const containerId = own.get(vm.id);
  const isMade =
    own.get(cloud.tenant) === tenant && own.get(cloud.owned) === 'True' && cmpTypes.includes(own.get(cloud.cmpType));
  if (!isMade || isOurs(object.comment)) return undefined;
  if (typeof containerId !== 'string' || containerId === noContainer) return undefined;
  return { address, view, network, containerId, name, mac, seen, altered: alteration(object) };
}

/**
 * Yields the original driver's addresses of containers, page by page; 50,000 objects at most.
 * @param of `tenant`: as for `originalOf`
 * @throws GridError as the session does
 */
export async function* listOriginals(
  grid: Grid,
  { tenant }: { readonly tenant: string },
  signal: AbortSignal,
): AsyncGenerator<Original> {
  const attributes = { [cloud.tenant]: tenant, [cloud.owned]: 'True' };
  for await (const object of grid.listDescribed({ attributes, families }, signal)) {
    const original = originalOf(object, tenant);
    if (original !== undefined) yield original;
  }
}

/**
 * Finds the fixed address of an attachment's container in the network of its name, for `--release-original`. One request if the container
 * has none.
 * @param of `tenant`: as for `originalOf`
 * @returns none if there are several, as the interface is not recorded, or if it was changed
 * @throws GridError as the session does; `unconfirmed` if only a host that may lag behind could be asked
 */
export async function findOriginal(
  { grid, store, log }: Pick<LeaseDeps, 'grid' | 'store' | 'log'>,
  { mark, view, tenant }: Pick<LeaseIdentity, 'mark' | 'view'> & { readonly tenant: string },
  signal: AbortSignal,
): Promise<Found[]> {
  const { containerId, network: name } = attachmentIn(mark);
  const attributes = { [vm.id]: containerId, [cloud.tenant]: tenant };
  const filter = { attributes, families, view, confirm: true };
  const anywhere = await Array.fromAsync(grid.listDescribed(filter, signal));
  if (anywhere.length === 0) return [];
  // Read again: a delete needs the latest look.
  const objects: DescribedReservation[] = [];
  for (const cidr of new Map(anywhere.map(({ network }) => [network?.text, network])).values()) {
    if (cidr === undefined) continue;
    const network = await grid.networkAt({ cidr, view }, signal);
    if (network === undefined || !isComplete(network, name)) continue;
    objects.push(...(await Array.fromAsync(grid.listDescribed({ ...filter, network: cidr }, signal))));
  }
  const originals = objects.flatMap((object) => originalOf(object, tenant) ?? []);
  const [original, ...others] = originals.filter((one) => one.containerId === containerId);
  if (original === undefined) return [];
  const { address, seen, altered } = original;
  const holder = store.boundAt(view, address, mark);
  if (others.length === 0 && altered === undefined && holder === undefined) {
    log.info('found reservations of the original driver', { attachment: mark, view, address });
    return [{ address, view, seen }];
  }
  const reason = altered ?? (holder === undefined ? 'it is one of several' : `it is in use by ${holder.mark}`);
  log.warn('reservations of the original driver are left alone', {
    attachment: mark,
    view,
    addresses: [address, ...others.map((one) => one.address)],
    reason,
    hint: 'delete it in the grid when its container is gone',
  });
  return [];
}

function alteration({ comment, matchedBy, attributes }: DescribedReservation): string | undefined {
  if (comment !== '') return `has a comment: "${comment}"`;
  if (!matches.includes(matchedBy)) return `is matched by ${matchedBy}`;
  const more = [...attributes.keys()].find((name) => !expected.includes(name));
  return more === undefined ? undefined : `has the attribute "${more}"`;
}
