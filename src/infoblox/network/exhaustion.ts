/**
 * What is known of networks that have no free address: for errors that say how full, and for an honest STATUS. What stands is
 * a condition `network-full` with the CIDR and the view as its subject; kept here is only when it was counted and checked.
 */
import { hostCount } from '../address.ts';
import type { Conditions } from '../conditions.ts';
import { GridError } from '../errors.ts';
import type { WapiClient } from '../wapi/client.ts';
import type { ReadyNetwork } from './networks.ts';

/** Milliseconds that a count stays good enough for an error message. */
const countedFor = 60_000;
/** Milliseconds after which STATUS has the grid asked again. */
const recheckAfter = 10_000;
/** Milliseconds that a network counts as full after the last evidence: nobody may ask for it any more. */
const lasts = 600_000;
/** Networks with more addresses than this are not counted: it would take many pages. */
const largestCounted = 4094;
/** Ranges are skipped by next-available (NIOS 9.0 documentation, "Configuring the Next Available Network or IP Address"). */
const hint =
  'release addresses, use a larger subnet, or shrink DHCP ranges inside it: their addresses are not given out';

interface Times {
  readonly countedAt: number;
  checkedAt: number;
}

export class Exhaustion {
  readonly #wapi: WapiClient;
  readonly #conditions: Conditions;
  readonly #now: () => number;
  readonly #times = new Map<string, Times>();

  /** @param now milliseconds, monotonic */
  constructor(wapi: WapiClient, conditions: Conditions, now: () => number = () => performance.now()) {
    this.#wapi = wapi;
    this.#conditions = conditions;
    this.#now = now;
  }

  /**
   * Notes that the grid found no free address in a network.
   * @param cause what the grid answered
   * @returns the error to answer with, which says how full the network is
   */
  async found(network: ReadyNetwork, cause: GridError, signal: AbortSignal): Promise<GridError> {
    const subject = subjectOf(network);
    const known = this.#conditions.find('network-full', subject)?.error.message;
    const counted = this.#times.get(subject)?.countedAt ?? Number.NEGATIVE_INFINITY;
    const isFresh = known !== undefined && this.#now() - counted <= countedFor;
    const message = isFresh ? known : await this.#describe(network, signal);
    const now = this.#now();
    if (!isFresh) this.#times.set(subject, { countedAt: now, checkedAt: now });
    this.#raise(subject, message);
    return new GridError('no-free-address', message, { outcome: cause.outcome, cause, hint });
  }

  /** Notes that an address of the view came back to the grid: its networks may have one again. */
  released(view: string): void {
    for (const { kind, subject } of this.#conditions.all()) {
      // No CIDR contains a space.
      if (kind === 'network-full' && subject.slice(subject.indexOf(' ')) === ` (view ${view})`) this.#clear(subject);
    }
  }

  /** Notes that the grid had an address to give: the network is not full any more. */
  obtained(network: ReadyNetwork): void {
    this.#clear(subjectOf(network));
  }

  /** Tells whether a network is full, without asking the grid; what is old is checked in the background. */
  known(network: ReadyNetwork): GridError | undefined {
    const subject = subjectOf(network);
    const condition = this.#conditions.find('network-full', subject);
    if (condition === undefined) return undefined;
    const times = this.#times.get(subject);
    if (times !== undefined && this.#now() - times.checkedAt > recheckAfter) {
      times.checkedAt = this.#now();
      this.#wapi.hasFreeAddress(network.ref, AbortSignal.timeout(5_000)).then(
        (free) => (free ? this.#clear(subject) : this.#raise(subject, condition.error.message)),
        () => undefined,
      );
    }
    return condition.error;
  }

  #raise(subject: string, message: string): void {
    this.#conditions.raise('network-full', new GridError('no-free-address', message, { hint }), { subject, lasts });
  }

  #clear(subject: string): void {
    this.#times.delete(subject);
    this.#conditions.clear('network-full', subject);
  }

  async #describe(network: ReadyNetwork, signal: AbortSignal): Promise<string> {
    const total = hostCount(network.cidr);
    const name = `no free address in ${network.cidr.text} (view ${network.view})`;
    if (total > largestCounted) return `${name}, which has ${total} addresses`;
    const used = await this.#wapi.usedAddresses(network.cidr.text, network.view, signal).catch(() => undefined);
    return used === undefined ? `${name}, which has ${total} addresses` : `${name}: ${used} of ${total} are used`;
  }
}

function subjectOf({ cidr, view }: ReadyNetwork): string {
  return `${cidr.text} (view ${view})`;
}
