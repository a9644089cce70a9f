/** What the log says of each call, so that it can be found by any of its names. */
import { isJsonObject } from '../../../cni/call.ts';
import type { Fields } from '../../../infoblox/log.ts';
import { workloadFields } from '../../../infoblox/workload.ts';
import { isPluginRequest, type Request } from '../rpc/frame.ts';
import { viewOf } from './network-spec.ts';
import { workloadOf } from './workload.ts';

/**
 * Makes the fields of the line that ends a call, also of one that was refused: nothing of it is judged here. Never throws.
 * @param networkView where the network configuration names none
 */
export function callFields(request: Request, networkView: string): Fields {
  if (!isPluginRequest(request)) return { command: request.method };
  const { method, params } = request;
  const { config, containerId, ifName } = params;
  const ipam = isJsonObject(config.ipam) ? config.ipam : {};
  return {
    command: method,
    network: config.name,
    view: viewOf({ ipam: { type: '', ...ipam } }, { networkView }),
    container: containerId,
    interface: ifName,
    ...workloadFields(workloadOf(params)),
    trace_id: params.traceparent?.slice(3, 35),
  };
}
