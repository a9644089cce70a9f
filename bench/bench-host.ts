/** A host with the built plugin and daemon and a grid beside it, each in its own process, in a directory of its own. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { askDaemon } from '../src/modes/operator/daemon-connection.ts';
import { callDaemon } from '../src/modes/plugin/daemon-client.ts';
import { callTimeoutsMs, newCallId, protocolVersion, socketFile } from '../src/modes/protocol.ts';
import { builtPlugin } from './built.ts';
import { DaemonProcess } from './daemon-process.ts';
import { RemoteGrid } from './remote-grid.ts';
import type { Program } from './whole-process.ts';

export type CniCommand = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS';

/** Roomy, so that no figure depends on how many containers came before. */
const subnet = '10.64.0.0/15';

export interface HostSettings {
  /** Prepares the state directory, and what the grid holds, before the daemon starts. */
  readonly prepare?: (stateDirectory: string, grid: RemoteGrid) => void | Promise<void>;
  /** Where the state directory is made, if not beside the socket. */
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

  /** A file in place of the network namespace: it is there, as a namespace is, but says nothing about who lives. */
  get #netns(): string {
    return join(this.directory, 'netns');
  }

  /** A container that was not there before. */
  newContainer(): string {
    this.#containers += 1;
    return `container-${String(this.#containers).padStart(6, '0')}`;
  }

  config(more: Record<string, unknown> = {}): Record<string, unknown> {
    const ipam = { type: 'infoblox', 'socket-dir': join(this.directory, 'run'), subnet, gateway: '10.64.0.1' };
    return { cniVersion: '1.1.0', name: 'bench', type: 'macvlan', ipam, ...more };
  }

  /** The plugin as a runtime starts it, for a new container. `more` is merged over the network configuration. */
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

  /** What the plugin would ask, asked by this process: the daemon's own part. */
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
    let answer: unknown;
    await callDaemon({ file: socket, method: command, call, limit: callTimeoutsMs[command] }, (result) => {
      answer = result;
    });
    return answer;
  }

  /** Waits until the daemon says that it can serve. @returns milliseconds since `begin` until it gave any answer at all */
  async ready(begin = performance.now(), limit = 20_000): Promise<number> {
    let answered: number | undefined;
    for (;;) {
      const answer = await this.call('STATUS', '').then(
        () => ({ code: 0, text: '' }),
        (error) => ({ code: Number(error.code), text: String(error.message) }),
      );
      // 11: nobody listens yet. 50: it listens, but has not heard from the grid yet.
      if (answer.code !== 11) answered ??= performance.now() - begin;
      if (answer.code === 0 && answered !== undefined) return answered;
      if (!this.#daemon.running || performance.now() - begin > limit) {
        const log = readFileSync(join(this.directory, 'log'), 'utf8');
        throw new Error(`the daemon does not serve: ${answer.text}\n${log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** Waits until all its blocks serve. */
  async blocksServe(): Promise<void> {
    const socket = socketFile(join(this.directory, 'run'), 'infoblox');
    for (;;) {
      const { blocks } = await askDaemon({ socket, method: 'operator/status', params: {} });
      if (blocks.length > 0 && blocks.every(({ state }) => state === 'serving')) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends the daemon and starts it anew. @returns milliseconds from its start until it gave an answer */
  async restart(): Promise<number> {
    await this.#daemon.stop();
    await this.grid.ask({ clear: true });
    const begin = performance.now();
    this.#daemon = DaemonProcess.start(this.grid.access, this.directory, this.#state);
    return this.ready(begin);
  }
}

/** Sets a host up, waits until it serves, and takes everything down again. */
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
