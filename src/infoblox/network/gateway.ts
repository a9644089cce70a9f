/** The address of a network that no container must be given: its gateway, or the one that a bridge takes for itself. */
import { addressAt, type Cidr, contains } from '../address.ts';
import { GridError, hasReason, mayExist } from '../errors.ts';
import { isAttachmentMark } from '../mark.ts';
import type { WapiClient } from '../wapi/client.ts';
import { type NetworkSpec, resolveGateway } from './spec.ts';

/**
 * Computes the address of a network that no container may have; undefined if there is none.
 * @throws GridError `invalid-spec` as `resolveGateway`
 */
export function keptBack({ gateway, keepFirst }: NetworkSpec, cidr: Cidr): string | undefined {
  if (gateway !== undefined) return resolveGateway(gateway, cidr);
  return keepFirst ? addressAt(cidr, 1) : undefined;
}

/**
 * Refuses a spec for which no network should be created, since none can hold its gateway. A network that is found by its
 * name may lie elsewhere, and is judged by `resolveGateway`.
 * @throws GridError `invalid-spec` if the gateway lies in none of the containers
 */
export function refuseStrayGateway({ gateway, place }: Pick<NetworkSpec, 'gateway' | 'place'>): void {
  if (gateway === undefined || place.kind !== 'container') return;
  const { containers, prefixLength } = place;
  const hostParts = { base: '0.0.0.0', prefix: prefixLength, text: `0.0.0.0/${prefixLength}` };
  if (contains(hostParts, gateway)) return;
  if (containers.some((container) => contains(container, gateway))) return;
  const tried = containers.map((container) => container.text).join(', ');
  throw new GridError('invalid-spec', `gateway ${gateway} is in none of the network containers ${tried}`, {
    hint: 'use 0.0.0.1 for the first address of whatever network is taken, or set network-container or subnet to match',
  });
}

interface GatewayReservation {
  readonly wapi: WapiClient;
  readonly address: string;
  readonly view: string;
  /** The network's name. */
  readonly name: string;
  /** This daemon has just created the network: it is tried before it is looked at. */
  readonly isNetworkNew: boolean;
}

/**
 * Reserves the address, unless it is taken by anything but a container. Whoever gave it to a container meanwhile, the
 * create collides with that reservation: an address has one in its view.
 * @throws GridError `network-conflict` if a container has it, or what the grid answered
 */
export async function reserveGateway(reservation: GatewayReservation, signal: AbortSignal): Promise<void> {
  const { wapi, address, view, name, isNetworkNew } = reservation;
  const create = () => wapi.createGateway({ address, view, network: name }, signal);
  if (!isNetworkNew && (await isHeld(reservation, signal))) return;
  try {
    return await create();
  } catch (error) {
    if (!mayExist(error)) throw error;
  }
  if (await isHeld(reservation, signal)) return;
  await create().catch((error) => {
    // Taken by something that is no fixed address, a host record say: taken is all that is needed.
    if (!hasReason(error, 'conflict')) throw error;
  });
}

/** Tells whether a fixed address has the place. @throws GridError `network-conflict` if it is a container's */
async function isHeld({ wapi, address, view, name }: GatewayReservation, signal: AbortSignal): Promise<boolean> {
  const [holder] = await wapi.findFixedAddresses({ ipv4addr: address, network_view: view }, signal);
  if (holder === undefined || !isAttachmentMark(holder.comment)) return holder !== undefined;
  throw new GridError('network-conflict', `gateway ${address} of network ${name} is held by a container`, {
    hint: `choose another gateway, or stop that container: ${holder.comment}`,
  });
}
