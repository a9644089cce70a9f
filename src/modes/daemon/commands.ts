/** What the daemon does for each CNI command: the call checked, the policy found, the IPAM asked, the answer formed. */
import { parseCniArgs } from '../../cni/args.ts';
import { validAttachments } from '../../cni/attachments.ts';
import type { Command } from '../../cni/environment.ts';
import { CniCode, CniError } from '../../cni/errors.ts';
import { checkContainerId, checkInterfaceName } from '../../cni/names.ts';
import { type Netconf, parseNetconf } from '../../cni/netconf.ts';
import { requestedAddress } from '../../cni/requested-address.ts';
import { formatResult } from '../../cni/result.ts';
import { withNextHop } from '../../cni/route.ts';
import { abortable } from '../../infoblox/abortable.ts';
import type { Collector } from '../../infoblox/collector.ts';
import { GridError } from '../../infoblox/errors.ts';
import type { Exhaustion } from '../../infoblox/exhaustion.ts';
import type { Health } from '../../infoblox/health.ts';
import type { Attachment } from '../../infoblox/identity.ts';
import type { Ipam } from '../../infoblox/ipam.ts';
import type { Networks } from '../../infoblox/networks.ts';
import type { Store } from '../../infoblox/store.ts';
import type { Call } from '../protocol.ts';
import { workloadOf } from './call-fields.ts';
import { notAvailable } from './cni-errors.ts';
import { type PolicyDefaults, policyOf, unknownKeys, viewOf } from './ipam-keys.ts';
import type { Log } from './log.ts';
import { RefusedNetworks } from './refused-networks.ts';
import type { ReleaseNotes } from './release-notes.ts';

/**
 * Milliseconds that the commands may take; the plugin waits a little longer. ADD has --add-timeout. After a DEL's time the
 * release is owed. STATUS asks nobody.
 */
const budgets = { DEL: 3_500, CHECK: 12_000, GC: 55_000, STATUS: 0 };
/** Addresses that a line of the log names at most. */
const mostNamed = 50;

export type ServedCommand = Exclude<Command, 'VERSION'>;

export interface Answer {
  /** The document for the plugin's stdout, if there is one. */
  readonly result?: unknown;
  /** What happened, for the log. */
  readonly summary?: string;
  /** The address that it is about, several separated by commas, for the log. */
  readonly address?: string;
  /** To be called when the caller has the answer. */
  readonly delivered?: () => void;
  /** To be called if the caller went away without the answer. */
  readonly undelivered?: () => Promise<void>;
}

export interface CommandParts {
  readonly ipam: Ipam;
  readonly collector: Collector;
  readonly networks: Networks;
  readonly health: Health;
  readonly exhaustion: Exhaustion;
  readonly store: Store;
  readonly notes: ReleaseNotes;
  readonly defaults: PolicyDefaults;
  /** Stands in the details of STATUS while the grid's certificate is not verified. */
  readonly unverified?: string;
  /** Milliseconds. */
  readonly addTimeout: number;
  /** Asks the grid something in the background, so that health is known. */
  readonly probe: () => void;
  readonly log: Log;
}

export class Commands {
  readonly #parts: CommandParts;
  readonly #warned = new Set<string>();
  readonly #refused = new RefusedNetworks();

  constructor(parts: CommandParts) {
    this.#parts = parts;
  }

  /** Milliseconds that a command takes at most. */
  longest(command: ServedCommand): number {
    return command === 'ADD' ? this.#parts.addTimeout : budgets[command];
  }

  /**
   * @param gone fires when the caller has closed the connection
   * @throws CniError or GridError
   */
  async run(command: ServedCommand, call: Call, gone: AbortSignal): Promise<Answer> {
    const netconf = parseNetconf(call.config, command);
    switch (command) {
      case 'ADD':
        return this.#add(netconf, attachmentOf(netconf, call), call, gone);
      case 'DEL':
        return this.#del(netconf, attachmentOf(netconf, call));
      case 'CHECK':
        return this.#check(netconf, attachmentOf(netconf, call));
      case 'GC':
        return this.#gc(netconf, call);
      case 'STATUS':
        return this.#status(netconf);
    }
  }

  async #add(netconf: Netconf, attachment: Attachment, call: Call, gone: AbortSignal): Promise<Answer> {
    const { ipam, defaults, addTimeout, notes } = this.#parts;
    const policy = policyOf(netconf, defaults);
    this.#warnOfUnknownKeys(netconf);
    const args = parseCniArgs(call.args);
    const requested = requestedAddress(netconf, args);
    const signal = AbortSignal.any([gone, AbortSignal.timeout(addTimeout)]);
    // An earlier DEL that no daemon took must not undo this ADD.
    await abortable(notes.takeOf(attachment), signal, () => {
      return new GridError('timeout', 'an earlier release of this attachment was not settled in the time for one ADD', {
        cure: 'see the log of the daemon for what the grid does; --add-timeout sets the time',
      });
    });
    const request = {
      attachment,
      policy,
      netns: call.netns,
      callId: call.callId,
      workload: workloadOf(call.args, attachment.containerId),
      ...(requested === undefined ? {} : { requested }),
    };
    const { address, cidr, gateway, delivered, abandon } = await this.#refused.watch(policy, ipam.add(request, signal));
    const ip = { address: `${address}/${cidr.prefix}`, ...(gateway === undefined ? {} : { gateway }) };
    const result = formatResult({ ips: [ip], routes: withNextHop(netconf.routes, gateway) }, netconf.cniVersion);
    return { result, summary: ip.address, address, delivered, undelivered: abandon };
  }

  /** A DEL that came as a note: to be done, but not now. */
  async releaseLater(call: Call): Promise<void> {
    const netconf = parseNetconf(call.config, 'DEL');
    await this.#parts.ipam.releaseLater(attachmentOf(netconf, call), viewOf(netconf, this.#parts.defaults));
  }

  /** An ADD whose plugin got no answer, which came as a note. */
  async unanswered(call: Call): Promise<void> {
    if (call.callId === undefined) return;
    const netconf = parseNetconf(call.config, 'DEL');
    await this.#parts.ipam.unanswered(attachmentOf(netconf, call), call.callId);
  }

  async #del(netconf: Netconf, attachment: Attachment): Promise<Answer> {
    const { ipam, defaults } = this.#parts;
    const view = viewOf(netconf, defaults);
    const { owed, addresses, missed, altered } = await ipam.release(attachment, view, AbortSignal.timeout(budgets.DEL));
    const about = addresses.length === 0 ? {} : { address: addresses.join(', ') };
    if (owed) return { summary: ['owed', ...addresses].join(' '), ...about };
    if (addresses.length > 0) return { summary: `released ${addresses.join(', ')}`, ...about };
    if (missed === undefined) return { summary: 'nothing held' };
    if (altered !== undefined) return { summary: `${missed} is left alone: it ${altered}` };
    return { summary: `${missed} was removed or changed in the grid` };
  }

  async #check(netconf: Netconf, attachment: Attachment): Promise<Answer> {
    if (netconf.prevResult === undefined) {
      throw new CniError(
        CniCode.invalidConfig,
        'CHECK needs the result of ADD, and prevResult is missing in the network configuration',
        'The runtime must pass the result of ADD as prevResult.',
      );
    }
    const addresses = netconf.prevResult.addresses.map((address) => address.replace(/\/.*/, ''));
    const view = viewOf(netconf, this.#parts.defaults);
    await this.#parts.ipam.check(attachment, view, addresses, AbortSignal.timeout(budgets.CHECK));
    return {};
  }

  async #gc(netconf: Netconf, call: Call): Promise<Answer> {
    const { collector, defaults } = this.#parts;
    const valid = validAttachments(call.config);
    if (valid === undefined) return { summary: 'no list of valid attachments: nothing to do' };
    const view = viewOf(netconf, defaults);
    const signal = AbortSignal.timeout(budgets.GC);
    const { released, owed, addresses } = await collector.collect(netconf.name, view, valid, signal);
    const named = addresses.slice(0, mostNamed).join(', ') + (addresses.length > mostNamed ? ', ...' : '');
    return { summary: `${released} released, ${owed} owed${named === '' ? '' : `: ${named}`}` };
  }

  /** From what is known already: STATUS is asked often and must not wait for the grid. */
  #status(netconf: Netconf): Answer {
    const { health, store, networks, exhaustion, defaults, probe, unverified } = this.#parts;
    const policy = policyOf(netconf, defaults);
    if (health.stale) probe();
    const network = networks.known(policy);
    const exhausted = network === undefined ? undefined : exhaustion.known(network);
    const obstacle = health.obstacle ?? store.obstacle ?? this.#refused.known(policy) ?? exhausted;
    if (obstacle !== undefined) throw notAvailable(obstacle, unverified);
    return {};
  }

  #warnOfUnknownKeys(netconf: Netconf): void {
    for (const key of unknownKeys(netconf)) {
      const once = `${netconf.name} ${key}`;
      if (this.#warned.has(once)) continue;
      this.#warned.add(once);
      this.#parts.log.warn(`ignoring the unknown key ipam.${key}`, { network: netconf.name });
    }
  }
}

/**
 * What the call is about. The plugin has judged the names; but what stands in comments on the grid must not be able to
 * pass for something else, whoever speaks to the socket.
 * @throws CniError 4
 */
function attachmentOf(netconf: Netconf, { containerId, ifName }: Call): Attachment {
  checkContainerId(containerId);
  checkInterfaceName(ifName);
  return { network: netconf.name, containerId, ifName };
}
