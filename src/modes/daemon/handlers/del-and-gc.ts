/** DEL and GC: they record durably that attachments need their addresses no more. The reconciler asks the grid afterwards. */
import { parseNetconf, validAttachments } from '../../../cni/netconf.ts';
import type { LeaseDeps } from '../../../infoblox/lease/deps.ts';
import { collectGarbage } from '../../../infoblox/lease/gc.ts';
import { releaseAttachment } from '../../../infoblox/lease/release.ts';
import { workloadFields } from '../../../infoblox/workload.ts';
import type { Call } from '../../protocol.ts';
import type { Answer, Handler } from '../rpc/work.ts';
import { attachmentOf } from './call.ts';
import { type SpecDefaults, viewOf } from './network-spec.ts';

/** Milliseconds: one write of the state, on a slow disk. */
const delTimeoutMs = 3_500;

/** Makes the handler of DEL. */
export function delHandler(deps: LeaseDeps, defaults: SpecDefaults): Handler {
  return { timeoutMs: delTimeoutMs, run: (call) => releaseCall(deps, { call, defaults }) };
}

interface ReleaseCall {
  readonly call: Call;
  /** Of a note: when it was written, milliseconds since 1970. */
  readonly at?: number;
  readonly defaults: SpecDefaults;
}

/**
 * Carries out a DEL, be it a call or the note of one.
 * @throws CniError if the call is none; GridError `state` if the release cannot be recorded
 */
export async function releaseCall(deps: LeaseDeps, { call, at, defaults }: ReleaseCall): Promise<Answer> {
  const netconf = parseNetconf(call.config, 'DEL');
  const attachment = attachmentOf(netconf, call);
  const view = viewOf(netconf, defaults);
  const lease = await releaseAttachment(deps, { attachment, view, at });
  // Nomad names a workload at its ADD only.
  return { fields: { ...workloadFields(lease?.workload ?? null), address: lease?.address ?? 'none' } };
}

/** Milliseconds. */
const gcTimeoutMs = 55_000;
/** Addresses that a line of the log names at most. */
const maxNamed = 50;

/** Makes the handler of GC. */
export function gcHandler(deps: LeaseDeps, defaults: SpecDefaults): Handler {
  return {
    timeoutMs: gcTimeoutMs,
    async run(call, { stopping }) {
      const netconf = parseNetconf(call.config, 'GC');
      const valid = validAttachments(call.config);
      if (valid === undefined) return { fields: { skipped: 'no list of valid attachments' } };
      const request = { network: netconf.name, view: viewOf(netconf, defaults), valid };
      const limits = { signal: AbortSignal.timeout(gcTimeoutMs), stopping };
      const { released, releasing } = await collectGarbage(deps, request, limits);
      const addresses = listed([...released, ...releasing]);
      return { fields: { released: released.length, releasing: releasing.length, ...addresses } };
    },
  };
}

function listed(addresses: readonly string[]): { readonly addresses?: string } {
  if (addresses.length === 0) return {};
  const named = addresses.slice(0, maxNamed).join(', ');
  return { addresses: addresses.length > maxNamed ? `${named}, ...` : named };
}
