/**
 * What spans say, in the names of OpenTelemetry's semantic conventions (1.45) where these have one: for a call those of RPC,
 * containers and Kubernetes, for a request to the grid those of HTTP clients.
 */
import type { Attributes } from '@opentelemetry/api';
import type { Fields } from '../../../infoblox/log.ts';

type Names = Readonly<Record<string, string>>;

/** Attributes by the field of the log that says the same. */
const ofCalls: Names = {
  command: 'rpc.method',
  network: 'cni.network.name',
  container: 'container.id',
  interface: 'network.interface.name',
  view: 'infoblox.network_view',
  address: 'infoblox.address',
  subnet: 'infoblox.network',
  attachment: 'infoblox.comment',
};
const ofPods: Names = { pod: 'k8s.pod.name', namespace: 'k8s.namespace.name', uid: 'k8s.pod.uid' };
/** As OpenTelemetry's collector names what it detects of Nomad. */
const ofJobs: Names = {
  job: 'nomad.job.name',
  taskGroup: 'nomad.group.name',
  namespace: 'nomad.namespace',
  region: 'nomad.region',
  uid: 'nomad.alloc.id',
};

/** Gives the attributes for fields of the log; what has no name there is left out. */
export function attributesOf(fields: Fields): Attributes {
  const names = { ...ofCalls, ...(fields.job === undefined ? ofPods : ofJobs) };
  const known = Object.entries(fields).flatMap(([field, value]) => {
    const name = names[field];
    return name === undefined || typeof value !== 'string' || value === '' ? [] : [[name, value] as const];
  });
  return Object.fromEntries(known);
}

/** Of each call: JSON-RPC over a unix socket. */
export const callAttributes: Attributes = { 'rpc.system.name': 'jsonrpc', 'network.transport': 'unix' };

/**
 * Gives the attributes of a call's end.
 * @param code CNI error code, 0 for success
 */
export function endAttributes(code: number): Attributes {
  const failed = { 'rpc.status_code': String(code), 'error.type': String(code) };
  return { 'cni.code': code, ...(code === 0 ? {} : failed) };
}

/** Gives the attributes of a request to the grid. Its URL says what was searched for; it carries no secret. */
export function requestAttributes(method: string, url: string): Attributes {
  const { hostname, port } = new URL(url);
  return {
    'http.request.method': method,
    'server.address': hostname,
    'server.port': Number(port || 443),
    'url.full': url,
  };
}
