/**
 * Extensible attributes that describe our objects to the grid's administrators: those of the original driver, and
 * --labels. They add to the mark in the comment, and nothing depends on them. A grid refuses attributes that it does
 * not define (scoulomb/myDNS, notes on errors), and without the cloud licence it does not define the cloud ones (NIOS
 * 9.0 documentation, "Extensible Attributes for Cloud Objects"), so undefined ones are left out. A cloud API user must
 * send the cloud ones ("Supported Cloud API Objects") and may not be able to read the definitions.
 */
import { shorten } from './mark.ts';
import { oneLine, type Workload, workloadName } from './workload.ts';

/** Attributes of the cloud licence for the manager of an object. */
export const cloud = { cmpType: 'CMP Type', tenant: 'Tenant ID', owned: 'Cloud API Owned' } as const;
/** Attributes for the container of an object. */
export const vm = { id: 'VM ID', name: 'VM Name' } as const;
/** The orchestrator's names of a workload, and their attributes. */
const orchestrated = { namespace: 'Namespace', pod: 'Pod', job: 'Job', taskGroup: 'Task Group' } as const;

/** The attribute of a network and of its addresses for the network's name. */
export const networkNameAttribute = 'Network Name';

/**
 * The attribute of a reservation for its time, in UTC by ISO 8601. WAPI has no such field of a fixed address (object
 * page).
 */
const reservedAtAttribute = 'Reserved At';

/** The definition of an attribute that the driver writes. */
export interface AttributeDefinition {
  readonly name: string;
  readonly type: 'STRING' | 'ENUM';
  /** The values of an ENUM. */
  readonly values?: readonly string[];
  /** Its meaning. */
  readonly comment: string;
}

const text = (name: string, comment: string) => ({ name, type: 'STRING', comment }) as const;

/** Attributes that the driver always writes. */
const definitions: readonly AttributeDefinition[] = [
  text(cloud.tenant, 'Cluster of the container host'),
  text(cloud.cmpType, 'What manages the object; CNI for container networks'),
  // Attributes have no boolean type ("Extensible Attributes for Cloud Objects").
  {
    name: cloud.owned,
    type: 'ENUM',
    values: ['True', 'False'],
    comment: 'Whether the object was made through the API',
  },
  text(vm.id, 'Container ID'),
  text(vm.name, 'Name of the container or its workload'),
  text(orchestrated.namespace, 'Namespace of the pod or job, as its orchestrator has it'),
  text(orchestrated.pod, 'Pod of Kubernetes'),
  text(orchestrated.job, 'Job of Nomad'),
  text(orchestrated.taskGroup, 'Task group of Nomad'),
  text(networkNameAttribute, 'Name of the container network'),
  text(reservedAtAttribute, 'When the address was reserved for its container'),
];

/**
 * Lists the attributes that the driver writes if the grid defines them.
 * @param own the attributes of --labels
 */
export function attributeDefinitions(own: Attributes): readonly AttributeDefinition[] {
  const labels = Object.keys(own).filter((name) => definitions.every((known) => known.name !== name));
  return [...definitions, ...labels.map((name) => text(name, 'Label of infoblox-cni'))];
}

/**
 * Maximum characters of a value. Grids accept 256 (WAPI documentation of extensibleattributedef, for default values).
 * Container IDs and network names have no limit of their own.
 */
const maxValueLength = 250;

/** Attributes by name. */
export type Attributes = Readonly<Record<string, string>>;

/** Returns a network's name for its attribute. Networks are found by it, so a long name is shortened as in the mark. */
export function attributedName(network: string): string {
  return shorten(network, maxValueLength);
}

/** Returns the attributes of a network or a gateway's reservation. */
export function ofNetwork(network: string): Attributes {
  return { [networkNameAttribute]: attributedName(network) };
}

/** Describes a container's reservation for people, by its name and its attributes. */
export function describeReservation(
  network: string,
  workload: Workload,
): { readonly name: string; readonly attributes: Attributes } {
  // One line without surrounding space, which WAPI refuses (vindyavk/vvk_automation_public, WAPI_Test_Reports).
  const asValue = (value: string) => oneLine(value, maxValueLength);
  const name = asValue(workloadName(workload));
  const ofVm = { [vm.id]: asValue(workload.containerId), [vm.name]: name };
  const ofWorkload = Object.entries(orchestrated).flatMap(([part, attribute]) => {
    const value = workload[part as keyof typeof orchestrated];
    return value === undefined ? [] : [[attribute, asValue(value)]];
  });
  return { name, attributes: { ...ofVm, ...Object.fromEntries(ofWorkload), ...ofNetwork(network) } };
}

/** The attribute for the pod of a reservation. */
export const podAttribute = orchestrated.pod;

/**
 * Returns the attributes of a pod's reservations.
 * @param name `namespace/pod`, or the pod alone
 */
export function ofPod(name: string): Attributes {
  const [pod = '', namespace] = name.split('/').reverse();
  return { [podAttribute]: pod, ...(namespace === undefined ? {} : { [orchestrated.namespace]: namespace }) };
}

/**
 * Returns the attribute for the time of a reservation.
 * @param now milliseconds since 1970
 */
export function reservedAt(now: number): Attributes {
  return { [reservedAtAttribute]: new Date(now).toISOString() };
}

/** Reads the time of a reservation, in milliseconds since 1970; null if `reservedAt` has not written one. */
export function reservedAtIn(attributes: ReadonlyMap<string, unknown>): number | null {
  const value = attributes.get(reservedAtAttribute);
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}
