import { conflictError } from '../errors.ts';
import { type Cidr, containsAddress, type Family, strictlyInside } from '../store/address.ts';
import { AddressPool } from '../store/address-pool.ts';
import type { Database } from '../store/database.ts';
import type { ContainerObject, NetworkObject, NetworkViewObject, Values } from '../store/grid-objects.ts';
import { naturalKey } from '../store/reference.ts';
import { newAttributes, updatedAttributes } from './attributes.ts';
import { cidrOf, plainValues, textOf, viewOf } from './field-access.ts';

export type Subnet = NetworkObject | ContainerObject;

/**
 * Creates a network or a container. Refuses an exact duplicate, whether network or container. A network that gets a
 * child becomes a container and loses its contents. A new "network" around existing ones becomes a container (assumed).
 */
export function createSubnet(
  db: Database,
  { kind, family }: { kind: Subnet['type']; family: Family },
  fields: Values,
): Subnet {
  const view = viewOf(db, fields);
  const cidr = cidrOf(textOf(fields, 'network') ?? '', family);
  if (subnetWith(db, view, cidr)) {
    throw conflictError(`The network ${cidr.text} already exists.  Select another network.`);
  }
  const extattrs = newAttributes(db, fields);
  const parent = db.networkAround(view, cidr.first);
  if (parent && strictlyInside(cidr, parent.cidr)) turnIntoContainer(db, parent);

  const common = { view, cidr, values: plainValues(fields, 'network'), extattrs };
  const holdsOthers = [...subnetsIn(db, view, cidr)].length > 0;
  if (kind === 'networkcontainer' || holdsOthers) return insertContainer(db, common);
  const network: NetworkObject = {
    type: 'network',
    key: subnetKey('network', view, cidr),
    ...common,
    pool: new AddressPool(cidr),
    fixed: new Set(),
    ranges: new Set(),
    byClient: new Map(),
  };
  for (const host of db.all('record:host')) {
    if (host.view !== view) continue;
    for (const { address } of host.addresses) if (containsAddress(cidr, address)) network.pool.take(address);
  }
  db.insert(network);
  return network;
}

export function updateSubnet(db: Database, subnet: Subnet, fields: Values): void {
  const extattrs = updatedAttributes(db, subnet.extattrs, fields);
  db.update(subnet, plainValues(fields, 'network'), () => {
    subnet.extattrs = extattrs;
  });
}

/** Removes a network with its fixed addresses and ranges; hosts stay. */
export function removeNetwork(db: Database, network: NetworkObject): void {
  for (const fixed of network.fixed) db.delete(fixed);
  for (const range of network.ranges) db.delete(range);
  db.delete(network);
}

/** Removes a container; its children move up to the next one unless `withSubnets` says to remove them too. */
export function removeContainer(db: Database, container: ContainerObject, withSubnets: boolean): void {
  if (withSubnets) {
    for (const subnet of [...subnetsIn(db, container.view, container.cidr)]) {
      if (subnet.type === 'network') removeNetwork(db, subnet);
      else db.delete(subnet);
    }
  }
  db.delete(container);
}

/** Finds the smallest container around a subnet. */
export function containerAround(db: Database, subnet: Subnet): ContainerObject | undefined {
  let closest: ContainerObject | undefined;
  for (const container of db.all('networkcontainer')) {
    if (container.view !== subnet.view || !strictlyInside(subnet.cidr, container.cidr)) continue;
    if (!closest || container.cidr.prefix > closest.cidr.prefix) closest = container;
  }
  return closest;
}

/** Networks and containers strictly inside a CIDR. */
export function* subnetsIn(db: Database, view: NetworkViewObject, cidr: Cidr): Generator<Subnet> {
  for (const type of ['network', 'networkcontainer'] as const) {
    for (const subnet of db.all(type)) if (subnet.view === view && strictlyInside(subnet.cidr, cidr)) yield subnet;
  }
}

export function subnetWith(db: Database, view: NetworkViewObject, cidr: Cidr): Subnet | undefined {
  const network = db.networkWith(view, cidr.text);
  const container = db.get(subnetKey('networkcontainer', view, cidr));
  return network ?? (container?.type === 'networkcontainer' ? container : undefined);
}

function turnIntoContainer(db: Database, network: NetworkObject): void {
  removeNetwork(db, network);
  const { view, cidr, extattrs } = network;
  insertContainer(db, { view, cidr, extattrs, values: pickComment(network.values) });
}

function insertContainer(db: Database, common: Pick<Subnet, 'view' | 'cidr' | 'values' | 'extattrs'>): ContainerObject {
  const key = subnetKey('networkcontainer', common.view, common.cidr);
  const container: ContainerObject = { type: 'networkcontainer', key, ...common };
  db.insert(container);
  return container;
}

function pickComment({ comment }: Values): Values {
  return comment === undefined ? {} : { comment };
}

function subnetKey(type: Subnet['type'], view: NetworkViewObject, cidr: Cidr): string {
  return naturalKey(type, `${cidr.text}/${view.id}`);
}
