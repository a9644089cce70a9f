/**
 * A host for programs with fixed paths: mounts and processes in namespaces of their own, on the network of a lab. /etc, /opt,
 * /run, /usr/local, /usr/lib/cni and /var/lib are its own, the programs those of the real host. All processes end with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../fixture/host.ts';
import { firstProcess, removeMountPoint } from '../../fixture/unshared.ts';
import { boot, bootEnvironment, unshare } from '../docs/throwaway-host.ts';
import type { NetworkLab } from '../network-lab.ts';
import { dist, type Run, run } from '../program.ts';

export interface IsolatedHostOptions {
  readonly name: string;
  /** Further lines of /etc/hosts. */
  readonly hosts: string;
  /** Further commands of its boot; $ROOM is a directory of its own. */
  readonly boot?: string;
}

export class IsolatedHost {
  readonly #directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-iso-'));
  readonly #child: ChildProcess;
  #boot = '';

  private constructor(lab: NetworkLab, { name, hosts, boot: more = '' }: IsolatedHostOptions) {
    // A shell is the first process, as it reaps orphaned processes.
    const script = `${boot}\n${more}\nhostname ${name}\necho '${hosts}' >>/etc/hosts\ntouch /run/booted\nsleep infinity & wait`;
    const [file = '', ...args] = [...lab.inside, '/usr/bin/unshare', ...unshare, 'bash', '-c', script];
    this.#child = spawn(file, args, { env: bootEnvironment(this.#directory), stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#boot += text;
    });
  }

  static async start(lab: NetworkLab, options: IsolatedHostOptions): Promise<IsolatedHost> {
    const host = new IsolatedHost(lab, options);
    try {
      await until('the host has booted', async () => (await host.run('test -e /run/booted')).exitCode === 0);
      return host;
    } catch (error) {
      await host.stop();
      throw new Error(`the host does not boot: ${host.#boot}`, { cause: error });
    }
  }

  /** Returns the path at which the test sees a file of the host. */
  path(file: string): string {
    return `/proc/${firstProcess(this.#child) ?? 0}/root${file}`;
  }

  /**
   * Runs a bash script on the host.
   * @param patience milliseconds until it is killed
   */
  run(script: string, patience = 30_000): Promise<Run> {
    const inside = [
      '-t',
      String(firstProcess(this.#child) ?? 0),
      '--mount',
      '--uts',
      '--pid',
      '--net',
      '--',
      'bash',
      '-c',
      script,
    ];
    const { PATH = '' } = process.env;
    const env = { PATH: `${dist}:${PATH}`, HOME: '/root', ROOM: this.#directory };
    return run('/usr/bin/nsenter', inside, env, 'null', patience);
  }

  /** Runs a script like `run`. @returns its output @throws Error if it fails */
  async succeed(script: string, patience?: number): Promise<string> {
    const { exitCode, stdout, stderr } = await this.run(script, patience);
    if (exitCode !== 0) throw new Error(`exit ${exitCode}: ${script}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Starts a program in the background, with its output in /run/NAME.log and its process ID in /run/NAME.pid. */
  async start(name: string, command: string): Promise<void> {
    await this.succeed(`setsid ${command} >/run/${name}.log 2>&1 </dev/null & echo $! >/run/${name}.pid`);
  }

  /** Ends a background program and waits for its end. */
  async end(name: string, signal = 'TERM'): Promise<void> {
    const ended = 'for _ in $(seq 150); do kill -0 $pid 2>/dev/null || exit 0; sleep 0.1; done; exit 1';
    await this.succeed(`pid=$(cat /run/${name}.pid); kill -${signal} $pid; ${ended}`);
  }

  /** Returns the output of a background program. */
  log(name: string): string {
    return readFileSync(this.path(`/run/${name}.log`), 'utf8');
  }

  /** Ends all processes of the host, and the host. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL'); // unshare ends the first process, and that one all others.
      await once(this.#child, 'exit');
    }
    await removeMountPoint(this.#directory);
  }
}
