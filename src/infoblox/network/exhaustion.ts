/**
 * What is known of networks that have no free address, for an honest STATUS. What stands is a condition `network-full`; kept
 * here is only when the grid was asked last.
 */
import { type Clock, deadline } from '../concurrency/clock.ts';
import type { Conditions } from '../conditions.ts';
import { GridError } from '../errors.ts';
import type { Grid } from '../grid.ts';
import type { ReadyNetwork } from './networks.ts';

/** Milliseconds after which STATUS has the grid asked again. */
const recheckIntervalMs = 10_000;
/** Milliseconds for that. */
const requestTimeoutMs = 5_000;
/** Milliseconds that a network counts as full after the last evidence: nobody may ask for it any more. */
const maxSilenceMs = 600_000;
/** Ranges are skipped by next-available (NIOS 9.0 documentation, "Configuring the Next Available Network or IP Address"). */
const hint =
  'release addresses, use a larger subnet, or shrink DHCP ranges inside it: their addresses are not given out';

export class Exhaustion {
  readonly #grid: Pick<Grid, 'hasRoom'>;
  readonly #conditions: Conditions;
  readonly #clock: Clock;
  /** By the subject of their condition. */
  readonly #asked = new Map<string, { readonly network: ReadyNetwork; readonly at: number }>();

  constructor(grid: Pick<Grid, 'hasRoom'>, conditions: Conditions, clock: Clock) {
    this.#grid = grid;
    this.#conditions = conditions;
    this.#clock = clock;
  }

  /**
   * Notes that the grid found no free address in a network.
   * @param cause what the grid answered
   * @returns the error to answer with
   */
  found(network: ReadyNetwork, cause: GridError): GridError {
    const message = `no free address in ${subjectOf(network)}`;
    const error = new GridError('no-free-address', message, { outcome: cause.outcome, cause, hint });
    this.#noteAsked(network);
    this.#raise(network, error);
    return error;
  }

  /** Notes that an address of the view came back to the grid: its networks may have one again. */
  released(view: string): void {
    for (const network of this.full) if (network.view === view) this.obtained(network);
  }

  /** The networks that are known to be full. */
  get full(): ReadyNetwork[] {
    const networks = [...this.#asked.values()].map(({ network }) => network);
    return networks.filter((network) => this.#conditions.find('network-full', subjectOf(network)) !== undefined);
  }

  /** Notes that the grid had an address to give: the network is not full any more. */
  obtained(network: ReadyNetwork): void {
    this.#asked.delete(subjectOf(network));
    this.#conditions.clear('network-full', subjectOf(network));
  }

  /** Tells whether a network is full, without asking the grid; what is old is checked in the background. */
  known(network: ReadyNetwork): GridError | undefined {
    const subject = subjectOf(network);
    const error = this.#conditions.find('network-full', subject)?.error;
    const asked = this.#asked.get(subject);
    if (error !== undefined && asked !== undefined && this.#clock.now() - asked.at > recheckIntervalMs) {
      this.#noteAsked(network);
      void this.#askAgain(network, error).catch(() => undefined);
    }
    return error;
  }

  async #askAgain(network: ReadyNetwork, error: GridError): Promise<void> {
    const { view, cidr } = network;
    const hasRoom = await this.#grid.hasRoom({ view, nextOf: cidr }, deadline(this.#clock, requestTimeoutMs));
    if (hasRoom === true) this.obtained(network);
    else if (hasRoom === false) this.#raise(network, error);
  }

  #noteAsked(network: ReadyNetwork): void {
    this.#asked.set(subjectOf(network), { network, at: this.#clock.now() });
  }

  #raise(network: ReadyNetwork, error: GridError): void {
    this.#conditions.raise('network-full', error, { subject: subjectOf(network), lapsesAfterMs: maxSilenceMs });
  }
}

/** Names a network as the subject of a condition. */
export function subjectOf({ cidr, view }: Pick<ReadyNetwork, 'cidr' | 'view'>): string {
  return `${cidr.text} (view ${view})`;
}
