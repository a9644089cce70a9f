/** A host that runs the built executable: the daemon as a process, its directories, and calls of the plugin through a pipe. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Grid } from '../simulator/grid.ts';
import { DaemonProcess } from './daemon-process.ts';
import { dist, pluginFile, type Run, run } from './program.ts';

export type Command = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS';
export type GridAccess = Pick<Grid, 'host' | 'port' | 'username' | 'password' | 'caFile'>;
type Json = Record<string, unknown>;

export interface CallOptions {
  readonly containerId?: string;
  readonly ifName?: string;
  readonly netns?: string;
  readonly args?: string;
  /** Merged over the network configuration. */
  readonly config?: Json;
  /** Merged over its `ipam`. Undefined removes a key. */
  readonly ipam?: Json;
  /** Further variables of its environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** The literal stdin, instead of a network configuration. */
  readonly stdin?: string | Buffer;
}

/** Milliseconds for a call: longer than the plugin's own limit for any command. */
const timeoutMs = 80_000;

export interface BuiltHostOptions {
  readonly node?: string;
  /** Command that enters the host's namespaces: see `DaemonProcess.start`. */
  readonly inside?: readonly string[];
}

export class BuiltHost {
  readonly directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-e2e-'));
  readonly socketDir = join(this.directory, 'run');
  readonly stateDir = join(this.directory, 'state');
  protected readonly inside: readonly string[];
  readonly #grid: GridAccess;
  readonly #node: string;
  #daemon: DaemonProcess | undefined;

  constructor(grid: GridAccess, { node = 'host-a', inside = [] }: BuiltHostOptions = {}) {
    this.#grid = grid;
    this.#node = node;
    this.inside = inside;
  }

  get socket(): string {
    return join(this.socketDir, 'infoblox.sock');
  }

  get daemon(): DaemonProcess {
    if (this.#daemon === undefined) throw new Error('no daemon has been started on this host');
    return this.#daemon;
  }

  /** Flags of this host's daemon, without the password. */
  get flags(): string[] {
    const { host, port, username, caFile } = this.#grid;
    return [
      ...[`--grid-host=${host}`, `--wapi-port=${port}`, `--wapi-username=${username}`, `--ssl-verify=${caFile}`],
      ...[`--socket-dir=${this.socketDir}`, `--state-dir=${this.stateDir}`],
      ...[`--node-name=${this.#node}`, '--reap-after=0'],
    ];
  }

  /** Starts the daemon with the password in its environment. Given flags override the others. */
  async start(flags: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<this> {
    const environment = { WAPI_PASSWORD: this.#grid.password, ...env };
    this.#daemon = await DaemonProcess.start([...this.flags, ...flags], environment, this.inside);
    return this;
  }

  /** Stops the daemon and removes everything. */
  async dispose(): Promise<void> {
    await this.#daemon?.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Returns the default network configuration. */
  config({ config, ipam }: CallOptions = {}): Json {
    const usual = { type: 'infoblox', 'socket-dir': this.socketDir, subnet: '10.0.0.0/24', gateway: '10.0.0.1' };
    return { cniVersion: '1.1.0', name: 'net-1', type: 'macvlan', ipam: { ...usual, ...ipam }, ...config };
  }

  /** Returns the environment of a call. */
  environment(command: Command, options: CallOptions = {}): Record<string, string> {
    return {
      CNI_COMMAND: command,
      CNI_CONTAINERID: options.containerId ?? 'c1',
      CNI_IFNAME: options.ifName ?? 'eth0',
      CNI_NETNS: options.netns ?? '/run/netns/none',
      CNI_PATH: dist,
      ...(options.args === undefined ? {} : { CNI_ARGS: options.args }),
      ...options.env,
    };
  }

  /** Runs the plugin, as called by a main plugin. */
  call(command: Command, options: CallOptions = {}): Promise<Run> {
    const stdin = options.stdin ?? JSON.stringify(this.config(options));
    return run(pluginFile, [], this.environment(command, options), { pipe: stdin }, timeoutMs);
  }

  /** Calls ADD, which must succeed. @returns the address without its prefix length */
  async add(containerId: string, options: CallOptions = {}): Promise<string> {
    const { exitCode, stdout } = await this.call('ADD', { ...options, containerId });
    if (exitCode !== 0) throw new Error(`ADD of ${containerId} failed: ${stdout}`);
    const result: { ips: { address: string }[] } = JSON.parse(stdout);
    return result.ips[0]?.address.replace(/\/.*/, '') ?? '';
  }
}

/** Returns the error object on stdout of a failed call. @throws Error if it succeeded */
export function failure({ exitCode, stdout, stderr }: Run): { code: number; msg: string; details?: string } {
  if (exitCode !== 1) throw new Error(`exit ${exitCode}, not 1; stdout: ${stdout}; stderr: ${stderr}`);
  return JSON.parse(stdout);
}
