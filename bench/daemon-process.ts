/** The built daemon as a process, against a grid. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtDaemon } from './built.ts';
import type { GridAccess } from './remote-grid.ts';

export class DaemonProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
    // An interrupted benchmark kills its daemons.
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
  }

  /**
   * Starts the daemon. It may not listen yet when this returns.
   * @param directory for the socket and the log
   */
  static start(grid: GridAccess, directory: string, state: string): DaemonProcess {
    const log = openSync(join(directory, 'log'), 'a');
    const args = [
      `--grid-host=${grid.host}`,
      `--wapi-port=${grid.port}`,
      `--wapi-username=${grid.username}`,
      `--ssl-verify=${grid.caFile}`,
      `--socket-dir=${join(directory, 'run')}`,
      `--state-dir=${state}`,
      '--node-name=bench',
    ];
    try {
      const env = { WAPI_PASSWORD: grid.password };
      return new DaemonProcess(spawn(builtDaemon, args, { env, cwd: '/', stdio: ['ignore', log, log] }));
    } finally {
      closeSync(log);
    }
  }

  /** Returns the resident memory in megabytes (10^6). */
  residentMegabytes(): number {
    return (this.#kibibytes('VmRSS') * 1024) / 1e6;
  }

  /**
   * Returns the private memory in mebibytes (2^20): resident memory without the pages of the executable, which the
   * plugins share.
   */
  anonymousMebibytes(): number {
    return this.#kibibytes('RssAnon') / 1024;
  }

  #kibibytes(field: string): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]);
  }

  /** Returns the seconds of processor time used, in user mode and kernel. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8');
    // proc(5): utime and stime are fields 14 and 15, in ticks of 10 ms; field 2 may hold spaces.
    const [user, system] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13);
    return (Number(user) + Number(system)) / 100;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async stop(): Promise<void> {
    if (!this.running) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGTERM');
    await gone;
  }
}
