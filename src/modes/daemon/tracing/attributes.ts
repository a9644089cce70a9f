/**
 * What spans say, in the names of OpenTelemetry's semantic conventions (1.45) where they have one: those of RPC and Kubernetes for a call,
 * those of HTTP clients for a request to the grid.
 */
import type { Attributes } from '@opentelemetry/api';
import type { Fields } from '../../../infoblox/log.ts';

/** Attributes by the field of the log that says the same. */
const names: Readonly<Record<string, string>> = {
  command: 'rpc.method',
  network: 'cni.network.name',
  container: 'container.id',
  interface: 'network.interface.name',
  pod: 'k8s.pod.name',
  namespace: 'k8s.namespace.name',
  view: 'infoblox.network_view',
  address: 'infoblox.address',
  subnet: 'infoblox.network',
  attachment: 'infoblox.comment',
};

/** Gives the attributes for fields of the log; what has no name of its own there is left out. */
export function attributesOf(fields: Fields): Attributes {
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
