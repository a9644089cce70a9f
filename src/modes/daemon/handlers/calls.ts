/** Handlers of ADD, DEL, CHECK, GC and STATUS: read the network configuration, act on leases, make the answer. */
import { parseCniArgs, requestedAddresses } from '../../../cni/args.ts';
import { isJsonObject } from '../../../cni/call.ts';
import { checkContainerId, checkInterfaceName } from '../../../cni/environment.ts';
import { CniCode, CniError } from '../../../cni/errors.ts';
import { type Netconf, parseNetconf, validAttachments } from '../../../cni/netconf.ts';
import { formatResult, requireFamilies, withNextHops } from '../../../cni/result.ts';
import { abortable, deadline, withDeadline } from '../../../infoblox/concurrency/clock.ts';
import { GridError, hasReason } from '../../../infoblox/errors.ts';
import type { GridMonitor } from '../../../infoblox/grid-state.ts';
import { type AddRequest, type Allocation, add } from '../../../infoblox/lease/add.ts';
import { checkLease } from '../../../infoblox/lease/check.ts';
import type { LeaseDeps } from '../../../infoblox/lease/deps.ts';
import { collectGarbage } from '../../../infoblox/lease/gc.ts';
import { addressesOf, noteNotAnswered, releaseAttachment } from '../../../infoblox/lease/release.ts';
import type { Fields, Log } from '../../../infoblox/log.ts';
import type { Attachment } from '../../../infoblox/mark.ts';
import { poolsOf } from '../../../infoblox/network/fit.ts';
import { type AddressSets, familyOfSpec, requestedOf, setsText } from '../../../infoblox/network/sets.ts';
import { maxNameLength } from '../../../infoblox/network/spec.ts';
import { type Workload, workloadFields, workloadFrom } from '../../../infoblox/workload.ts';
import type { Call } from '../../protocol.ts';
import { hostTrouble, servingTrouble } from '../probes.ts';
import { notAvailable } from '../rpc/cni-errors.ts';
import type { ReleaseNotes } from '../rpc/release-notes.ts';
import { type Answer, type Handler, isPluginRequest, type PluginMethod, type Request } from '../rpc/request.ts';
import { type SpecDefaults, setsOf, unknownKeys, viewOf } from './network-spec.ts';

const checkTimeoutMs = 12_000;
/** Milliseconds, enough for one write of the state on a slow disk. */
const delTimeoutMs = 3_500;
const gcTimeoutMs = 55_000;
/** Milliseconds until the condition of a refusal lapses, as only another ADD can show its end. */
const refusalLapsesAfterMs = 60_000;
/** Maximum addresses in a log line. */
const maxNamed = 50;
/** Maximum remembered configurations with unknown keys, keys named for each, and characters of a key. */
const maxWarned = 256;
const maxNamedKeys = 10;
const maxKeyLength = 40;

export interface CallDeps {
  readonly leases: LeaseDeps;
  readonly monitor: GridMonitor;
  readonly notes: Pick<ReleaseNotes, 'takeOf'>;
  readonly defaults: SpecDefaults;
  readonly addTimeoutMs: number;
  /** Added to the details of STATUS while the grid's certificate is not verified. */
  readonly unverified: string | undefined;
}

/** Makes the handlers of the plugin's calls. */
export function callHandlers(deps: CallDeps): Readonly<Record<PluginMethod, Handler>> {
  const { addTimeoutMs } = deps;
  const warnOfUnknownKeys = onceForEach(deps.leases.log);
  return {
    ADD: {
      timeoutMs: addTimeoutMs,
      changes: true,
      run: (call, { gone }) =>
        withDeadline(deps.leases.clock, { milliseconds: addTimeoutMs, signal: gone }, (signal) =>
          giveAddress(deps, call, { signal, warnOfUnknownKeys }),
        ),
    },
    DEL: { timeoutMs: delTimeoutMs, changes: true, run: (call) => releaseCall(deps, call) },
    CHECK: { timeoutMs: checkTimeoutMs, run: (call) => checkCall(deps, call) },
    GC: { timeoutMs: gcTimeoutMs, changes: true, run: (call, { stopping }) => collect(deps, call, stopping) },
    STATUS: { timeoutMs: 0, run: (call) => statusCall(deps, call) },
  };
}

async function giveAddress(
  deps: CallDeps,
  call: Call,
  { signal, warnOfUnknownKeys }: { readonly signal: AbortSignal; readonly warnOfUnknownKeys: (one: Netconf) => void },
): Promise<Answer> {
  const neededBy = deps.leases.clock.now() + deps.addTimeoutMs;
  const netconf = parseNetconf(call.config, 'ADD');
  const attachment = attachmentOf(netconf, call);
  const sets = setsOf(netconf, deps.defaults);
  warnOfUnknownKeys(netconf);
  requireFamilies(
    netconf.cniVersion,
    sets.map(([spec]) => familyOfSpec(spec)),
  );
  const requested = requestedOf(sets, requestedAddresses(netconf, parseCniArgs(call.args)));
  // Take over a recorded release of this attachment first, so that it cannot undo the ADD.
  await abortable(deps.notes.takeOf(attachment), signal, unsettled);
  const { netns, callId } = call;
  const request = { attachment, sets, requested, netns, callId, neededBy, workload: workloadOf(call) };
  const { taken, undelivered } = await allocate(deps.leases, request, signal);
  const ips = taken.map(({ address, network: { cidr, gateway } }) => {
    return { address: `${address}/${cidr.prefix}`, ...(gateway === undefined ? {} : { gateway }) };
  });
  const routes = withNextHops(
    netconf.routes,
    taken.flatMap(({ network }) => network.gateway ?? []),
  );
  const result = formatResult({ ips, routes }, netconf.cniVersion);
  const address = taken.map((one) => one.address).join(', ');
  const subnet = taken.map(({ network }) => network.cidr.text).join(', ');
  return { result, fields: { address, subnet }, undelivered };
}

function unsettled(): GridError {
  return new GridError('timeout', 'an earlier release of this attachment was not completed in time for this ADD', {
    hint: 'see the log of the daemon for the state of the grid; --add-timeout sets the time',
  });
}

/** Allocates, and raises a condition for STATUS if the next ADD of this network would fail alike. */
async function allocate(leases: LeaseDeps, request: AddRequest, signal: AbortSignal): Promise<Allocation> {
  const { conditions } = leases;
  const subject = setsText(request.sets);
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

/** Makes a function that warns once of a configuration's unknown keys, while it is among the last `maxWarned`. */
function onceForEach(log: Log): (netconf: Netconf) => void {
  const warned = new Set<string>();
  return (netconf) => {
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
  };
}

/**
 * Records durably that the plugin of an ADD got no answer, as its note says.
 * @throws CniError for an invalid call; GridError `state` if this cannot be recorded
 */
export async function recordUnanswered(leases: LeaseDeps, call: Call): Promise<void> {
  // As for DEL: the configuration may have been edited since.
  const netconf = parseNetconf(call.config, 'DEL');
  await noteNotAnswered(leases, leases.names.markOf(attachmentOf(netconf, call)), call.callId);
}

/**
 * Records durably that an attachment no longer needs its addresses; the reconciler releases them on the grid.
 * @param call a DEL, perhaps from a release note
 * @param at when the note was written, milliseconds since 1970
 * @throws CniError for an invalid call; GridError `state` if the release cannot be recorded
 */
export async function releaseCall(
  { leases, defaults }: Pick<CallDeps, 'leases' | 'defaults'>,
  call: Call,
  at?: number,
): Promise<Answer> {
  const netconf = parseNetconf(call.config, 'DEL');
  const attachment = attachmentOf(netconf, call);
  const ended = await releaseAttachment(leases, { attachment, view: viewOf(netconf, defaults), at });
  // Nomad names the workload only at ADD.
  return { fields: { ...workloadFields(ended[0]?.workload ?? null), address: addressesOf(ended) ?? 'none' } };
}

async function checkCall({ leases, defaults }: CallDeps, call: Call): Promise<Answer> {
  const netconf = parseNetconf(call.config, 'CHECK');
  const attachment = attachmentOf(netconf, call);
  if (netconf.prevResult === undefined) {
    throw new CniError(
      CniCode.invalidConfig,
      'CHECK needs the result of ADD, and prevResult is missing in the network configuration',
      'The runtime must pass the result of ADD as prevResult.',
    );
  }
  const addresses = netconf.prevResult.addresses.map((address) => address.replace(/\/.*/, ''));
  const request = { attachment, view: viewOf(netconf, defaults), addresses };
  await checkLease(leases, request, deadline(leases.clock, checkTimeoutMs));
  return {};
}

async function collect({ leases, defaults }: CallDeps, call: Call, stopping: AbortSignal): Promise<Answer> {
  const netconf = parseNetconf(call.config, 'GC');
  const valid = validAttachments(call.config);
  if (valid === undefined) return { fields: { skipped: 'no list of valid attachments' } };
  const request = { network: netconf.name, view: viewOf(netconf, defaults), valid };
  const limits = { signal: deadline(leases.clock, gcTimeoutMs), stopping };
  const { released, releasing } = await collectGarbage(leases, request, limits);
  const addresses = [...released, ...releasing];
  const named = addresses.length > maxNamed ? [...addresses.slice(0, maxNamed), '...'] : addresses;
  const fields = { released: released.length, releasing: releasing.length };
  return { fields: named.length === 0 ? fields : { ...fields, addresses: named.join(', ') } };
}

/** Answers STATUS from known facts: it is called often and must not wait for the grid. */
async function statusCall({ leases, monitor, defaults, unverified }: CallDeps, call: Call): Promise<Answer> {
  const sets = setsOf(parseNetconf(call.config, 'STATUS'), defaults);
  monitor.refresh();
  const reason = notReadyReason(leases, sets);
  if (reason !== undefined) throw notAvailable(reason, unverified);
  return {};
}

/** Says why STATUS reports "not available"; undefined if no reason is known. */
function notReadyReason(
  { conditions, networks, exhaustion, blocks }: LeaseDeps,
  sets: AddressSets,
): GridError | undefined {
  if (sets.every((set) => set.some((spec) => blocks.room(spec).free > 0))) return hostTrouble(conditions)?.error;
  const condition = servingTrouble(conditions) ?? conditions.find('network-refused', setsText(sets));
  if (condition !== undefined) return condition.error;
  const full = sets.map((set) => {
    const found = set.map((spec) => {
      const network = networks.known(spec);
      return network === undefined ? [undefined] : poolsOf(network).map((pool) => exhaustion.known(pool));
    });
    return found.flat().includes(undefined) ? undefined : found.flat().at(-1);
  });
  return full.find((error) => error !== undefined);
}

/**
 * Returns the attachment of a call. Checks the names again: a caller of the socket must not be able to forge another attachment's mark.
 * @throws CniError 4 for a name that no runtime may use
 */
export function attachmentOf({ name }: Netconf, { containerId, ifName }: Call): Attachment {
  checkContainerId(containerId);
  checkInterfaceName(ifName);
  return { network: name, containerId, ifName };
}

/** Reads the workload of a call: a pod of Kubernetes or a job of Nomad. Never throws. */
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
 * Makes the log fields of a call, valid or not. Never throws.
 * @param networkView the default view
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
