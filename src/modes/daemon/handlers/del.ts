/** DEL: records that an attachment needs its address no more. The reconciler asks the grid afterwards. */
import { parseNetconf } from '../../../cni/netconf.ts';
import { type ReleaseDeps, releaseAttachment } from '../../../infoblox/lease/release/release.ts';
import { workloadFields } from '../../../infoblox/workload.ts';
import type { Call } from '../../protocol.ts';
import { attachmentOf } from './attachment.ts';
import type { Answer, Handler } from './handler.ts';
import { type SpecDefaults, viewOf } from './network-spec.ts';

/** Milliseconds: one write of the state, on a slow disk. */
const longest = 3_500;

type DelDeps = ReleaseDeps & { readonly defaults: SpecDefaults };

/** Makes the handler of DEL. */
export function delHandler(deps: DelDeps): Handler {
  return { longest, run: (call) => releaseCall(deps, call) };
}

/**
 * Carries out a DEL, be it a call or the note of one.
 * @param at of a note: when it was written, milliseconds since 1970
 * @throws CniError if the call is none; GridError `state` if the release cannot be recorded
 */
export async function releaseCall(deps: DelDeps, call: Call, at?: number): Promise<Answer> {
  const netconf = parseNetconf(call.config, 'DEL');
  const attachment = attachmentOf(netconf, call);
  const view = viewOf(netconf, deps.defaults);
  const lease = releaseAttachment(deps, { attachment, view, at });
  // Nomad names a workload at its ADD only.
  return { fields: { ...workloadFields(lease?.workload ?? null), address: lease?.address ?? 'none' } };
}
