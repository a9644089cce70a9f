/** Calls that keep the ledger: what a caller asked, what it was told, and what it may believe afterwards. */
import { CniError } from '../../src/cni/errors.ts';
import { NoAnswer } from '../../src/modes/plugin/daemon-client.ts';
import { leaveReleaseNote, leaveUnansweredNote } from '../../src/modes/plugin/leave-note.ts';
import { callTimeoutsMs } from '../../src/modes/protocol.ts';
import type { CallOptions, Host } from '../fixture/host.ts';
import type { Ledger } from './ledger.ts';

/** How a call ended: `ok`, the code of the error, or no answer at all. */
export type Outcome = 'ok' | 'no answer' | number;

/** What the caller of a DEL can do nothing about: state, "try again", a fault of the daemon. */
const noted: ReadonlySet<number> = new Set([5, 11, 100]);

export class Caller {
  readonly host: Host;
  readonly node: string;
  readonly #ledger: Ledger;

  constructor(host: Host, ledger: Ledger, node = 'host-a') {
    this.host = host;
    this.node = node;
    this.#ledger = ledger;
  }

  /** ADD as the plugin does it: a call that gets no answer leaves a note, so that nothing is left of it. */
  async add(container: string, options: CallOptions = {}): Promise<Outcome> {
    const identity = this.#identity(container, options);
    const call = this.host.callOf(container, options);
    try {
      this.#ledger.told(identity, await this.host.add(container, { ...options, callId: call.callId }));
      return 'ok';
    } catch (error) {
      if (error instanceof NoAnswer && error.asked)
        leaveUnansweredNote({ socketDir: this.host.socketDir, driverName: 'infoblox' }, call);
      this.#ledger.refused(identity);
      return outcomeOf(error);
    }
  }

  /** DEL as the plugin does it: a call that gets no answer, or is told to come again, leaves a release note. */
  async del(container: string, options: CallOptions = {}): Promise<Outcome> {
    const identity = this.#identity(container, options);
    this.#ledger.leaving(identity);
    try {
      await this.host.del(container, options);
      this.#ledger.left(identity);
      return 'ok';
    } catch (error) {
      if (error instanceof NoAnswer) {
        this.leaveNote(container, options);
        return 'no answer';
      }
      const outcome = outcomeOf(error);
      if (typeof outcome !== 'number' || !noted.has(outcome)) return outcome;
      this.leaveNote(container, options);
      return 'ok';
    }
  }

  leaveNote(container: string, options: CallOptions = {}): void {
    const call = this.host.callOf(container, options);
    leaveReleaseNote({ socketDir: this.host.socketDir, driverName: 'infoblox' }, String(call.config.name), call);
    this.#ledger.left(this.#identity(container, options));
  }

  /** True when the container lives, as far as its runtime was told. */
  knows(container: string, options: CallOptions = {}): boolean {
    return this.#ledger.addressOf(this.#identity(container, options)) !== undefined;
  }

  /** CHECK of what the ledger says that the attachment lives on. */
  async check(container: string, options: CallOptions = {}): Promise<Outcome> {
    const address = this.#ledger.addressOf(this.#identity(container, options)) ?? '10.0.0.250';
    const prevResult = { cniVersion: '1.1.0', ips: [{ address: `${address}/24` }] };
    const config = { ...options.config, prevResult };
    return this.host.call('CHECK', container, { ...options, config }).then(() => 'ok' as const, outcomeOf);
  }

  /** GC that names the given containers as valid. All others must be known to the test as dead. */
  async gc(valid: readonly string[], options: CallOptions = {}): Promise<Outcome> {
    const list = valid.map((containerID) => ({ containerID, ifname: options.ifName ?? 'eth0' }));
    const config = { ...options.config, 'cni.dev/valid-attachments': list };
    return this.host.call('GC', '', { ...options, config }).then(() => 'ok' as const, outcomeOf);
  }

  async status(options: CallOptions = {}): Promise<Outcome> {
    return this.host
      .call('STATUS', '', { limit: callTimeoutsMs.STATUS, ...options })
      .then(() => 'ok' as const, outcomeOf);
  }

  /** The container died without a DEL: GC or the reaper has to find out. */
  dies(container: string, options: CallOptions = {}): void {
    this.#ledger.left(this.#identity(container, options));
  }

  #identity(containerId: string, options: CallOptions): string {
    const network = String(this.host.config(options).name);
    return this.#ledger.identity(this.node, { network, containerId, ifName: options.ifName ?? 'eth0' });
  }
}

export function outcomeOf(error: unknown): Outcome {
  if (error instanceof NoAnswer) return 'no answer';
  if (error instanceof CniError) return error.code;
  throw error;
}
