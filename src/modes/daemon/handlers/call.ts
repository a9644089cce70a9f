/** What a call says: which attachment it is about, whose, and what the log has of it. */
import { parseCniArgs } from '../../../cni/args.ts';
import { isJsonObject } from '../../../cni/call.ts';
import { checkContainerId, checkInterfaceName } from '../../../cni/names.ts';
import type { Netconf } from '../../../cni/netconf.ts';
import type { Fields } from '../../../infoblox/log.ts';
import type { Attachment } from '../../../infoblox/mark.ts';
import { maxNameLength } from '../../../infoblox/network/spec.ts';
import { type Workload, workloadFields, workloadFrom } from '../../../infoblox/workload.ts';
import type { Call } from '../../protocol.ts';
import { isPluginRequest, type Request } from '../rpc/request.ts';
import { viewOf } from './network-spec.ts';

/**
 * Says which attachment a call is about. The plugin has judged the names already; but a caller of the socket must not be able
 * to write a mark on the grid that passes for another one.
 * @throws CniError 4 for a name that no runtime may use
 */
export function attachmentOf({ name }: Netconf, { containerId, ifName }: Call): Attachment {
  checkContainerId(containerId);
  checkInterfaceName(ifName);
  return { network: name, containerId, ifName };
}

/** Reads the workload of a call: what a Kubernetes runtime says of its pod, or Nomad of its job. Never throws. */
export function workloadOf({ args, containerId }: { readonly args: string; readonly containerId: string }): Workload {
  const { podName, podNamespace, podUid, ...nomad } = parseCniArgs(args);
  return workloadFrom({
    containerId,
    pod: podName,
    namespace: podNamespace ?? nomad.nomadNamespace,
    job: nomad.nomadJob,
    taskGroup: nomad.nomadGroup,
    region: nomad.nomadRegion,
    uid: podUid ?? nomad.nomadAllocation,
  });
}

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
    network: typeof config.name === 'string' ? config.name.slice(0, maxNameLength) : undefined,
    view: viewOf({ ipam: { type: '', ...ipam } }, { networkView }),
    container: containerId,
    interface: ifName,
    ...workloadFields(workloadOf(params)),
    trace_id: params.traceparent?.slice(3, 35),
  };
}
