/** A host whose daemon is a process of its own, to be killed as the kernel would kill it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { type CallOptions, Host, type HostOptions } from '../fixture/host.ts';
import type { Grid } from '../simulator/grid.ts';
import type { DieAtWrite, ProcessMessage, ProcessSettings } from './daemon-process.ts';

let bundled: Uint8Array | undefined;

/** The daemon's sources in one file, made once: it starts in half the time, and tests start it often. */
function bundle(): Uint8Array {
  bundled ??= buildSync({
    entryPoints: [join(import.meta.dirname, 'daemon-process.ts')],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'error',
  }).outputFiles[0]?.contents;
  if (bundled === undefined) throw new Error('esbuild made nothing of the daemon');
  return bundled;
}

export class ProcessHost extends Host {
  /** What the daemon has written to its state since it started: `apply`, `setWhole`, `setFact NAME`. */
  readonly writes: string[] = [];
  /** Everything that the daemon's runs have logged. */
  output = '';
  readonly #settings: ProcessSettings;
  #child: ChildProcess | undefined;

  constructor(grid: Pick<Grid, 'host' | 'port' | 'username' | 'password' | 'caFile'>, options: HostOptions = {}) {
    super(grid, options);
    this.#settings = { doubtWindow: options.doubtWindow ?? { recheck: 100, end: 300 } };
  }

  /** @throws with the daemon's log if it ends instead of listening */
  override async start(): Promise<this> {
    this.writes.length = 0;
    const entry = join(this.directory, 'daemon.mjs');
    writeFileSync(entry, bundle());
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
        else if (message.kind === 'write') this.writes.push(message.what);
      });
    });
    return this;
  }

  /** Kills the daemon at a later write to its state; counts from the return on. */
  async dieAt(death: DieAtWrite): Promise<void> {
    const child = this.#child;
    if (child === undefined) throw new Error('there is no daemon to kill');
    const resigned = new Promise<void>((resolve) => {
      child.on('message', (message: ProcessMessage) => message.kind === 'resigned' && resolve());
    });
    child.send(death);
    await resigned;
  }

  /** True while the daemon runs. */
  get alive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** kill -9, and waits until the process is gone. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.died();
  }

  /** Waits for the end of the daemon, by whatever a test has arranged. */
  async died(): Promise<void> {
    if (this.alive && this.#child !== undefined) await once(this.#child, 'exit');
  }

  /** Starts the next daemon on the same state and socket in this process: as good a successor, and sooner there. */
  async startHere(): Promise<void> {
    await super.start();
  }

  /** DEL. Does not wait for the release: nobody sees what the daemon does after its answer. */
  override async del(containerId: string, options: CallOptions = {}): Promise<void> {
    await this.call('DEL', containerId, options);
  }

  override async stop(): Promise<void> {
    await this.kill();
    await super.stop();
  }

  /** Resident memory in bytes, now and at most since the start, and open file descriptors of the daemon. */
  usage(): { readonly rss: number; readonly peak: number; readonly descriptors: number } {
    const pid = this.#child?.pid;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const bytes = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
    return { rss: bytes('VmRSS'), peak: bytes('VmHWM'), descriptors: readdirSync(`/proc/${pid}/fd`).length };
  }

  #collectOutput(chunk: Buffer): void {
    this.output = (this.output + chunk.toString('utf8')).slice(-200_000);
  }
}
