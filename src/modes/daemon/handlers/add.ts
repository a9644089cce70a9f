/** ADD: gives an attachment its address. */
import { parseCniArgs, requestedAddress } from '../../../cni/args.ts';
import { type Netconf, parseNetconf } from '../../../cni/netconf.ts';
import { formatResult } from '../../../cni/result.ts';
import { withNextHop } from '../../../cni/route.ts';
import { abortable } from '../../../infoblox/concurrency/clock.ts';
import type { Conditions } from '../../../infoblox/conditions.ts';
import { GridError, hasReason } from '../../../infoblox/errors.ts';
import { type AddRequest, type Allocation, add } from '../../../infoblox/lease/add.ts';
import type { LeaseDeps } from '../../../infoblox/lease/deps.ts';
import { noteNotAnswered } from '../../../infoblox/lease/release.ts';
import type { Log } from '../../../infoblox/log.ts';
import { specText } from '../../../infoblox/network/spec.ts';
import type { Call } from '../../protocol.ts';
import type { ReleaseNotes } from '../rpc/release-notes.ts';
import type { Handler } from '../rpc/work.ts';
import { attachmentOf, workloadOf } from './call.ts';
import { type SpecDefaults, specOf, unknownKeys } from './network-spec.ts';

/** Milliseconds that a refusal counts: only another ADD can show that it is over. */
const refusalLapsesAfterMs = 60_000;
/** Configurations with unknown keys that are remembered, keys of one that are named, and characters of each. */
const maxWarned = 256;
const maxNamedKeys = 10;
const maxKeyLength = 40;

interface AddDeps {
  readonly leases: LeaseDeps;
  readonly conditions: Conditions;
  readonly notes: Pick<ReleaseNotes, 'takeOf'>;
  readonly defaults: SpecDefaults;
  /** Milliseconds. */
  readonly addTimeoutMs: number;
  readonly log: Log;
}

/** Makes the handler of ADD. */
export function addHandler(deps: AddDeps): Handler {
  const warned = new Set<string>();
  return {
    timeoutMs: deps.addTimeoutMs,
    async run(call, { gone }) {
      const netconf = parseNetconf(call.config, 'ADD');
      const attachment = attachmentOf(netconf, call);
      const spec = specOf(netconf, deps.defaults);
      warnOfUnknownKeys(netconf, warned, deps.log);
      const requested = requestedAddress(netconf, parseCniArgs(call.args));
      const signal = AbortSignal.any([gone, AbortSignal.timeout(deps.addTimeoutMs)]);
      // A release of this attachment that a plugin has recorded must not undo the ADD.
      await abortable(deps.notes.takeOf(attachment), signal, unsettled);
      const { netns, callId } = call;
      const request = { attachment, spec, requested, netns, callId, workload: workloadOf(call) };
      const { address, network, delivered, undelivered } = await allocate(deps, request, signal);
      const { cidr, gateway } = network;
      const ip = { address: `${address}/${cidr.prefix}`, ...(gateway === undefined ? {} : { gateway }) };
      const result = formatResult({ ips: [ip], routes: withNextHop(netconf.routes, gateway) }, netconf.cniVersion);
      return { result, fields: { address, subnet: cidr.text }, delivered, undelivered };
    },
  };
}

function unsettled(): GridError {
  return new GridError('timeout', 'an earlier release of this attachment was not settled in the time for one ADD', {
    hint: 'see the log of the daemon for what the grid does; --add-timeout sets the time',
  });
}

/** A refusal that the next ADD of this network would meet as well is a condition, for STATUS to report. */
async function allocate(
  { leases, conditions }: AddDeps,
  request: AddRequest,
  signal: AbortSignal,
): Promise<Allocation> {
  const subject = specText(request.spec);
  try {
    const allocation = await add(leases, request, signal);
    conditions.clear('network-refused', subject);
    return allocation;
  } catch (error) {
    if (hasReason(error, 'permission', 'network-conflict', 'no-free-network')) {
      conditions.raise('network-refused', error, { subject, lapsesAfterMs: refusalLapsesAfterMs });
    }
    throw error;
  }
}

/** Once for a configuration, as long as it is among the last ones. */
function warnOfUnknownKeys(netconf: Netconf, warned: Set<string>, log: Log): void {
  const { name } = netconf;
  const keys = unknownKeys(netconf).map((key) => key.slice(0, maxKeyLength));
  if (keys.length === 0) return;
  const key = keys.length > maxNamedKeys ? `${keys.slice(0, maxNamedKeys).join(', ')}, ...` : keys.join(', ');
  const once = `${name} ${key}`;
  if (warned.has(once)) return;
  const [oldest = ''] = warned;
  if (warned.size >= maxWarned) warned.delete(oldest);
  warned.add(once);
  log.warn('unknown ipam key ignored', { network: name, key });
}

/**
 * Notes durably that the plugin of an ADD got no answer, as its note says.
 * @throws CniError if the call is none; GridError `state` if that cannot be noted
 */
export async function recordUnanswered(leases: LeaseDeps, call: Call): Promise<void> {
  // As for DEL: the configuration may have been edited since.
  const netconf = parseNetconf(call.config, 'DEL');
  await noteNotAnswered(leases, leases.names.markOf(attachmentOf(netconf, call)), call.callId);
}
