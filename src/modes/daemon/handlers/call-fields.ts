/** What the log says of each call, so that it can be found by any of its names. */
import { parseCniArgs } from '../../../cni/args.ts';
import type { Fields } from '../../../infoblox/log.ts';
import { isPluginRequest, type Request } from '../rpc/frame.ts';
import { viewOf } from './network-spec.ts';

/** Characters of a Kubernetes name; others may send what they like. */
const longestName = 253;

/**
 * Makes the fields of the line that ends a call, also of one that was refused: nothing of it is judged here. Never throws.
 * @param networkView where the network configuration names none
 */
export function callFields(request: Request, networkView: string): Fields {
  if (!isPluginRequest(request)) return { command: request.method };
  const { method, params } = request;
  const { config, containerId, ifName, args } = params;
  const { podName, podNamespace } = parseCniArgs(args);
  const ipam = typeof config.ipam === 'object' && config.ipam !== null ? config.ipam : {};
  return {
    command: method,
    network: config.name,
    view: viewOf({ ipam: { type: '', ...ipam } }, { networkView }),
    container: containerId,
    interface: ifName,
    pod: podName?.slice(0, longestName),
    namespace: podNamespace?.slice(0, longestName),
    trace_id: params.traceparent?.slice(3, 35),
  };
}

/**
 * Says what a container is called on the grid, for people: nothing is decided by it.
 * @param args CNI_ARGS
 */
export function workloadOf(args: string, containerId: string): string {
  const { podName, podNamespace } = parseCniArgs(args);
  if (podName === undefined) return containerId;
  return podNamespace === undefined ? podName : `${podNamespace}/${podName}`;
}
