/** The handle of a simulated grid that runs in a process of its own. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';

export interface GridAccess {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly caFile: string;
}

/** What the grid is to do before it answers; `clear` afterwards. */
export interface GridQuestion {
  readonly latencyMs?: number;
  /** A network to create in the default view. */
  readonly network?: string;
  /** Reservations to create, one with each comment, at the addresses of leases in that order. */
  readonly reservations?: readonly string[];
  /** Ranges to create, as fields of WAPI. */
  readonly ranges?: readonly Readonly<Record<string, string>>[];
  /** Forget the requests so far. */
  readonly clear?: boolean;
}

export interface GridState {
  readonly requests: number;
  /** The most of these requests that were made one after another, at the latency that is set now. */
  readonly roundTrips: number;
  /** TLS connections that carried these requests; none carries more than one at a time. */
  readonly connections: number;
  readonly logins: number;
  readonly networks: readonly string[];
  /** Reservations that it holds, gateways included. */
  readonly addresses: number;
}

export class RemoteGrid {
  readonly access: GridAccess;
  readonly #process: ChildProcess;

  private constructor(access: GridAccess, process: ChildProcess) {
    this.access = access;
    this.#process = process;
  }

  static async start(): Promise<RemoteGrid> {
    const process = fork(join(import.meta.dirname, 'grid-process.ts'), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    return new RemoteGrid((await nextMessage(process)) as GridAccess, process);
  }

  /** One question at a time. */
  async ask(question: GridQuestion = {}): Promise<GridState> {
    this.#process.send(question);
    return (await nextMessage(this.#process)) as GridState;
  }

  /** Waits until no request has come for a while. */
  async quiet(milliseconds = 300): Promise<GridState> {
    for (let before = -1; ; ) {
      const state = await this.ask();
      if (state.requests === before) return state;
      before = state.requests;
      await new Promise((resolve) => setTimeout(resolve, milliseconds));
    }
  }

  /** Waits until it holds no more than so many addresses: DELs are answered before they are carried out. */
  async drained(addresses: number): Promise<void> {
    while ((await this.ask()).addresses > addresses) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.disconnect();
    await gone;
  }
}

function nextMessage(process: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const lost = () => reject(new Error('the simulated grid has ended'));
    process.once('exit', lost);
    process.once('message', (message) => {
      process.off('exit', lost);
      resolve(message);
    });
  });
}
