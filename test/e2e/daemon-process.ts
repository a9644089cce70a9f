/** The built daemon as a process, with its log. Independent of the test framework: the demo uses it, too. */
import { type ChildProcess, spawn } from 'node:child_process';
import { daemonFile, requireBuilt } from './program.ts';

/** Milliseconds for the daemon to listen, and to stop. */
const timeoutMs = 15_000;

export interface DaemonLogLine {
  readonly level: string;
  readonly message: string;
  readonly [detail: string]: unknown;
}

export class DaemonProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | undefined>;
  #log = '';
  #failed = false;

  private constructor(args: readonly string[], env: Readonly<Record<string, string>>, inside: readonly string[]) {
    requireBuilt();
    const [file = daemonFile, ...rest] = [...inside, daemonFile, ...args];
    this.#child = spawn(file, rest, { env: { ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log += text;
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#log += `${error.message}\n`;
        this.#failed = true;
        resolve(undefined);
      });
      this.#child.once('close', (code) => resolve(code ?? undefined));
    });
  }

  /**
   * Starts a daemon and waits until it listens.
   * @param env its whole environment
   * @param inside a command that enters other namespaces and executes its arguments, as nsenter(1)
   * @throws Error with its log if it ends, or does not listen in time
   */
  static async start(
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
    inside: readonly string[] = [],
  ): Promise<DaemonProcess> {
    const daemon = new DaemonProcess(args, env, inside);
    try {
      await daemon.says('listening');
      return daemon;
    } catch (error) {
      await daemon.kill();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Its whole output on stderr. */
  get log(): string {
    return this.#log;
  }

  /** The log's complete lines, read as JSON. */
  get lines(): DaemonLogLine[] {
    return this.#log
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  /** Waits until the log contains a text. @throws Error with the log if the daemon ends or time runs out before */
  async says(text: string, limit = timeoutMs): Promise<void> {
    const end = performance.now() + limit;
    while (!this.#log.includes(text)) {
      const over = this.#failed || this.#child.exitCode !== null || this.#child.signalCode !== null;
      if (over) await this.#ended;
      if (this.#log.includes(text)) return;
      if (over || performance.now() > end) {
        throw new Error(`the daemon ${over ? 'ended' : 'is late'} without saying "${text}"; its log:\n${this.#log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Stops it like a service manager. @returns its exit status; undefined if a signal ended it */
  async stop(signal: 'SIGTERM' | 'SIGINT' = 'SIGTERM'): Promise<number | undefined> {
    this.#child.kill(signal);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), timeoutMs);
    const exitCode = await this.#ended;
    clearTimeout(timer);
    return exitCode;
  }

  /** Kills it, without any clean-up. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
