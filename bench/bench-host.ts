/** A host with the built plugin and daemon, and a grid: separate processes in a temporary directory. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { callDaemon } from '../src/modes/daemon-client.ts';
import { askDaemon } from '../src/modes/operator/daemon-connection.ts';
import { callTimeoutsMs, newCallId, protocolVersion, socketFile } from '../src/modes/protocol.ts';
import { builtPlugin } from './built.ts';
import { DaemonProcess } from './daemon-process.ts';
import { RemoteGrid } from './remote-grid.ts';
import type { Program } from './whole-process.ts';

export type CniCommand = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS';

/** Large, so that no figure depends on the number of earlier containers. */
const subnet = '10.64.0.0/15';

export interface HostSettings {
  /** Prepares the state directory and the grid before the daemon starts. */
  readonly prepare?: (stateDirectory: string, grid: RemoteGrid) => void | Promise<void>;
  /** The parent of the state directory; default: beside the socket. */
  readonly stateIn?: string;
}

export class BenchHost {
  readonly grid: RemoteGrid;
  readonly directory: string;
  readonly #state: string;
  #daemon: DaemonProcess;
  #containers = 0;

  /** Starts the daemon; `ready` waits for it. */
  constructor(grid: RemoteGrid, directory: string, state: string) {
    this.grid = grid;
    this.directory = directory;
    this.#state = state;
    writeFileSync(this.#netns, '');
    this.#daemon = DaemonProcess.start(grid.access, directory, state);
  }

  get daemon(): DaemonProcess {
    return this.#daemon;
  }

  /** A file in place of the network namespace. It exists like a namespace, but proves nothing about its container. */
  get #netns(): string {
    return join(this.directory, 'netns');
  }

  /** Returns the name of a new container. */
  newContainer(): string {
    this.#containers += 1;
    return `container-${String(this.#containers).padStart(6, '0')}`;
  }

  config(more: Record<string, unknown> = {}): Record<string, unknown> {
    const ipam = { type: 'infoblox', 'socket-dir': join(this.directory, 'run'), subnet, gateway: '10.64.0.1' };
    return { cniVersion: '1.1.0', name: 'bench', type: 'macvlan', ipam, ...more };
  }

  /**
   * Returns the plugin's command, as a runtime starts it for a new container. `more` is merged over the network
   * configuration.
   */
  plugin(command: string, more: Record<string, unknown> = {}): Program {
    const env = {
      CNI_COMMAND: command,
      CNI_CONTAINERID: this.newContainer(),
      CNI_IFNAME: 'eth0',
      CNI_NETNS: this.#netns,
      CNI_PATH: '/opt/cni/bin',
    };
    return { file: builtPlugin, env, stdin: JSON.stringify(this.config(more)) };
  }

  /** Sends a call from this process instead of a plugin, to measure the daemon's part. */
  async call(command: CniCommand, containerId: string, more: Record<string, unknown> = {}): Promise<unknown> {
    const socket = socketFile(join(this.directory, 'run'), 'infoblox');
    const config = this.config(more);
    const call = {
      protocol: protocolVersion,
      release: 'bench',
      callId: newCallId(),
      containerId,
      ifName: 'eth0',
      netns: this.#netns,
      args: '',
      config,
    };
    return callDaemon({ file: socket, method: command, call, limitMs: callTimeoutsMs[command] }, (result) => result);
  }

  /**
   * Waits until STATUS succeeds.
   * @returns milliseconds from `begin` to the first answer of any kind
   */
  async ready(begin = performance.now(), limit = 20_000): Promise<number> {
    let answered: number | undefined;
    for (;;) {
      const answer = await this.call('STATUS', '').then(
        () => ({ code: 0, text: '' }),
        (error) => ({ code: Number(error.code), text: String(error.message) }),
      );
      // 11: not listening yet. 50: listening, but not yet connected to the grid.
      if (answer.code !== 11) answered ??= performance.now() - begin;
      if (answer.code === 0 && answered !== undefined) return answered;
      if (!this.#daemon.running || performance.now() - begin > limit) {
        const log = readFileSync(join(this.directory, 'log'), 'utf8');
        throw new Error(`the daemon does not serve: ${answer.text}\n${log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  async blocksServe(): Promise<void> {
    const socket = socketFile(join(this.directory, 'run'), 'infoblox');
    for (;;) {
      const { blocks } = await askDaemon({ socket, method: 'operator/status', params: {} });
      if (blocks.length > 0 && blocks.every(({ state }) => state === 'serving')) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /**
   * Restarts the daemon.
   * @returns milliseconds from its start to its first answer
   */
  async restart(): Promise<number> {
    await this.#daemon.stop();
    await this.grid.ask({ clear: true });
    const begin = performance.now();
    this.#daemon = DaemonProcess.start(this.grid.access, this.directory, this.#state);
    return this.ready(begin);
  }
}

/** Sets up a host, waits until it serves, and removes everything afterwards. */
export async function withHost<T>(settings: HostSettings, use: (host: BenchHost) => Promise<T>): Promise<T> {
  const grid = await RemoteGrid.start();
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-bench-'));
  const state =
    settings.stateIn === undefined
      ? join(directory, 'state')
      : mkdtempSync(join(settings.stateIn, 'infoblox-cni-bench-'));
  let host: BenchHost | undefined;
  try {
    mkdirSync(state, { recursive: true, mode: 0o700 });
    await settings.prepare?.(state, grid);
    host = new BenchHost(grid, directory, state);
    await host.ready();
    return await use(host);
  } finally {
    await host?.daemon.stop();
    await grid.stop();
    for (const made of [directory, state]) rmSync(made, { recursive: true, force: true });
  }
}
