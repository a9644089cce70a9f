/** A host whose daemon is a process of its own, to be killed as the kernel would kill it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Host, type HostOptions } from '../fixture/host.ts';
import type { Grid } from '../simulator/grid.ts';
import type { DieAtWrite, ProcessMessage, ProcessSettings } from './daemon-process.ts';

const entry = join(import.meta.dirname, 'daemon-process.ts');

export class ProcessHost extends Host {
  /** What the daemon has written to its state since it started, by method of the store. */
  readonly writes: string[] = [];
  /** Everything that the daemon's runs have logged. */
  output = '';
  readonly #settings: ProcessSettings;
  #child: ChildProcess | undefined;

  constructor(grid: Pick<Grid, 'host' | 'port' | 'username' | 'password' | 'caFile'>, options: HostOptions = {}) {
    super(grid, options);
    this.#settings = { settling: options.settling ?? { first: 100, last: 300 } };
  }

  /** @throws with the daemon's log if it ends instead of listening */
  override async start(): Promise<this> {
    this.writes.length = 0;
    const child = fork(entry, [...this.flags], {
      env: { ...process.env, RELIABILITY_TEST: JSON.stringify(this.#settings), NODE_OPTIONS: '' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: ['--disable-warning=ExperimentalWarning'],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => this.#collectOutput(chunk));
    await new Promise<void>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`the daemon did not start:\n${this.output}`)));
      child.on('message', (message: ProcessMessage) => {
        if (message.kind === 'ready') resolve();
        else this.writes.push(message.method);
      });
    });
    return this;
  }

  /** Kills the daemon at a later write to its state. */
  dieAt(death: DieAtWrite): void {
    this.#child?.send(death);
  }

  /** True while the daemon runs. */
  get alive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** kill -9, and waits until the process is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Waits for a death that the test has arranged. */
  async died(): Promise<void> {
    if (this.alive && this.#child !== undefined) await once(this.#child, 'exit');
    this.#child = undefined;
  }

  override async stop(): Promise<void> {
    await this.kill();
  }

  /** Resident memory in bytes and open file descriptors of the daemon. */
  usage(): { readonly rss: number; readonly descriptors: number } {
    const pid = this.#child?.pid;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
    return { rss: kib * 1024, descriptors: readdirSync(`/proc/${pid}/fd`).length };
  }

  #collectOutput(chunk: Buffer): void {
    this.output = (this.output + chunk.toString('utf8')).slice(-200_000);
  }
}
