/** Client of the simulated grid in its own process. */
import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';

export interface GridAccess {
  readonly host: '127.0.0.1';
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly caFile: string;
}

/** What the grid does before it answers; `clear` comes last. */
export interface GridQuestion {
  readonly latencyMs?: number;
  /** A network to create in the default view. */
  readonly network?: string;
  /** Comments of reservations to create, at the addresses of leases in that order. */
  readonly reservations?: readonly string[];
  /** WAPI fields of ranges to create. */
  readonly ranges?: readonly Readonly<Record<string, string>>[];
  /** Forget the requests so far. */
  readonly clear?: boolean;
}

export interface GridState {
  readonly requests: number;
  /** The maximum number of sequential requests, at the current latency. */
  readonly roundTrips: number;
  /** TLS connections of these requests, each with one request at a time. */
  readonly connections: number;
  readonly logins: number;
  readonly networks: readonly string[];
  /** Reservations on the grid, including gateways. */
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

  /** Asks the grid. Only one question at a time. */
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

  /** Waits until at most this many addresses are left: DELs are answered before they are carried out. */
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
