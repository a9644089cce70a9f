/**
 * Extensible attributes that describe our objects to the grid's administrators: those that the original driver wrote, and
 * those of --labels. They come on top of the mark in the comment, and nothing depends on them. A grid refuses one that it
 * does not define (scoulomb/myDNS, notes on errors), and without the cloud licence it does not define the former (NIOS 9.0
 * documentation, "Extensible Attributes for Cloud Objects"), so what is not defined is left out. A cloud API user must send
 * the cloud ones ("Supported Cloud API Objects"), and may not be able to read the definitions.
 */
import { shorten } from './mark.ts';
import { oneLine, type Workload, workloadName } from './workload.ts';

/** Those of the cloud licence that say who manages an object. */
export const cloud = { cmpType: 'CMP Type', tenant: 'Tenant ID', owned: 'Cloud API Owned' } as const;
/** Those that say for which container it is. */
export const vm = { id: 'VM ID', name: 'VM Name' } as const;
/** What an orchestrator says of a workload, and the attribute that holds it. */
const orchestrated = { namespace: 'Namespace', pod: 'Pod', job: 'Job', taskGroup: 'Task Group' } as const;

/** The attribute of a network and of its addresses that holds the network's name. */
export const networkNameAttribute = 'Network Name';

/**
 * The attribute of a reservation that says when it was made, in UTC as ISO 8601 writes it. WAPI tells no such time of a fixed
 * address (object page: no field of that kind).
 */
const reservedAtAttribute = 'Reserved At';

/** An attribute that the driver writes, as it is to be defined on the grid. */
export interface AttributeDefinition {
  readonly name: string;
  readonly type: 'STRING' | 'ENUM';
  /** Of an ENUM. */
  readonly values?: readonly string[];
  /** What it says. */
  readonly comment: string;
}

const text = (name: string, comment: string) => ({ name, type: 'STRING', comment }) as const;

/** Those that are written whatever the operator wants. */
const definitions: readonly AttributeDefinition[] = [
  text(cloud.tenant, 'Cluster of the container host'),
  text(cloud.cmpType, 'What manages the object; CNI for container networks'),
  // Attributes know no booleans ("Extensible Attributes for Cloud Objects").
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
 * Lists the attributes that the driver writes where the grid defines them.
 * @param own those of --labels
 */
export function attributeDefinitions(own: Attributes): readonly AttributeDefinition[] {
  const labels = Object.keys(own).filter((name) => definitions.every((known) => known.name !== name));
  return [...definitions, ...labels.map((name) => text(name, 'Label of infoblox-cni'))];
}

/**
 * Characters of a value: grids take 256 (WAPI documentation, extensibleattributedef, of default values). Container IDs and network
 * names have no limit of their own.
 */
const maxValueLength = 250;

/** Attributes by name. */
export type Attributes = Readonly<Record<string, string>>;

/** Writes a network's name as it stands in its attribute: a long one is shortened as in the mark, as networks are found by it. */
export function attributedName(network: string): string {
  return shorten(network, maxValueLength);
}

/** Returns those of a network or a gateway's reservation. */
export function ofNetwork(network: string): Attributes {
  return { [networkNameAttribute]: attributedName(network) };
}

/** Describes a container's reservation for people: by its name and its attributes. */
export function describeReservation(
  network: string,
  workload: Workload,
): { readonly name: string; readonly attributes: Attributes } {
  const name = asGridText(workloadName(workload));
  const ofVm = { [vm.id]: asGridText(workload.containerId), [vm.name]: name };
  const ofWorkload = Object.entries(orchestrated).flatMap(([part, attribute]) => {
    const value = workload[part as keyof typeof orchestrated];
    return value === undefined ? [] : [[attribute, asGridText(value)]];
  });
  return { name, attributes: { ...ofVm, ...Object.fromEntries(ofWorkload), ...ofNetwork(network) } };
}

/** The one that holds the pod of a reservation. */
export const podAttribute = orchestrated.pod;

/** Returns those of the reservations of a pod. @param name `namespace/pod`, or the pod alone */
export function ofPod(name: string): Attributes {
  const [pod = '', namespace] = name.split('/').reverse();
  return { [podAttribute]: pod, ...(namespace === undefined ? {} : { [orchestrated.namespace]: namespace }) };
}

/** Returns the one that says when a reservation was made. @param now milliseconds since 1970 */
export function reservedAt(now: number): Attributes {
  return { [reservedAtAttribute]: new Date(now).toISOString() };
}

/** Reads when a reservation was made, milliseconds since 1970; null if nothing says so that `reservedAt` has written. */
export function reservedAtIn(attributes: ReadonlyMap<string, unknown>): number | null {
  const value = attributes.get(reservedAtAttribute);
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}

/**
 * Writes a text from outside as the grid takes it: one line, short enough, and without space around it, which WAPI refuses
 * (vindyavk/vvk_automation_public, WAPI_Test_Reports).
 */
function asGridText(text: string): string {
  return oneLine(text, maxValueLength);
}
