/** What CNI_ARGS say of the workload, in the words of the log and the grid. */
import { parseCniArgs } from '../../../cni/args.ts';
import { type Workload, workloadFrom } from '../../../infoblox/workload.ts';

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
