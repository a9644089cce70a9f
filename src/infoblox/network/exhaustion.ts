/** What is known of networks that have no free address: for errors that say how full, and for an honest STATUS. */

import { hostCount } from '../address.ts';
import { GridError } from '../errors.ts';
import type { WapiClient } from '../wapi/client.ts';
import type { ReadyNetwork } from './networks.ts';

/** Milliseconds that a count stays good enough for an error message, and a finding for STATUS. */
const countedFor = 60_000;
const hint =
  'release addresses, use a larger subnet, or shrink DHCP ranges inside it: their addresses are not given out';
const recheckAfter = 10_000;
/** Networks with more addresses than this are not counted: it would take many pages. */
const largestCounted = 4094;

interface Finding {
  readonly message: string;
  readonly countedAt: number;
  checkedAt: number;
}

export class Exhaustion {
  readonly #wapi: WapiClient;
  readonly #now: () => number;
  readonly #findings = new Map<string, Finding>();

  /** @param now milliseconds, monotonic */
  constructor(grid: WapiClient, now: () => number = () => performance.now()) {
    this.#wapi = grid;
    this.#now = now;
  }

  /** The grid found no free address here: the error to answer with. */
  async found(network: ReadyNetwork, cause: GridError, signal: AbortSignal): Promise<GridError> {
    const key = keyOf(network);
    let finding = this.#findings.get(key);
    if (finding === undefined || this.#now() - finding.countedAt > countedFor) {
      finding = { message: await this.#describe(network, signal), countedAt: this.#now(), checkedAt: this.#now() };
      this.#findings.set(key, finding);
    }
    return new GridError('no-free-address', finding.message, { outcome: cause.outcome, cause, hint });
  }

  /** An address of the view came back to the grid: its networks may have one again. */
  released(view: string): void {
    for (const key of this.#findings.keys()) if (key.startsWith(`${view} `)) this.#findings.delete(key);
  }

  /** What is known now, without asking the grid; what is old is looked at again in the background. */
  known(network: ReadyNetwork): GridError | undefined {
    const key = keyOf(network);
    const finding = this.#findings.get(key);
    if (finding === undefined) return undefined;
    if (this.#now() - finding.checkedAt > recheckAfter) {
      finding.checkedAt = this.#now();
      this.#wapi.hasFreeAddress(network.ref, AbortSignal.timeout(5_000)).then(
        (free) => (free ? this.#findings.delete(key) : undefined),
        () => undefined,
      );
    }
    return new GridError('no-free-address', finding.message, { hint });
  }

  async #describe(network: ReadyNetwork, signal: AbortSignal): Promise<string> {
    const total = hostCount(network.cidr);
    const name = `no free address in ${network.cidr.text} (view ${network.view})`;
    if (total > largestCounted) return `${name}, which has ${total} addresses`;
    const used = await this.#wapi.usedAddresses(network.cidr.text, network.view, signal).catch(() => undefined);
    return used === undefined ? `${name}, which has ${total} addresses` : `${name}: ${used} of ${total} are used`;
  }
}

function keyOf(network: ReadyNetwork): string {
  return `${network.view} ${network.cidr.text}`;
}
