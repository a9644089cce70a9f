/**
 * Several hosts on one network, like machines on a switch: each is a network namespace with uplinks to the same Linux bridge. The grid has
 * its own namespace. The real host's network is not changed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../fixture/host.ts';
import type { GridAccess } from './built-host.ts';
import { labObstacle, NetworkLab } from './network-lab.ts';
import { type Run, run } from './program.ts';

const simulator = join(import.meta.dirname, '../simulator/main.ts');
const gridName = 'grid.example.com';
const gridAddress = '198.51.100.2';
/** The bridge of the switch. It has the gateways' addresses, as a router on this network would. */
const switchBridge = 'lan';

/** A fixed address on the grid, as returned by WAPI. */
export interface Reserved {
  readonly ipv4addr: string;
  readonly network: string;
  readonly name: string;
  readonly comment: string;
}

/** Says why such a network cannot be created here; undefined if it can. */
export function sharedNetworkObstacle(): string | undefined {
  const missing = ['busybox', 'curl', 'nsenter', 'unshare'].find((name) => spawnSync('which', [name]).status !== 0);
  return labObstacle() ?? (missing === undefined ? undefined : `no ${missing}`);
}

export class SharedNetwork {
  readonly #directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-lan-'));
  readonly #hosts = join(this.#directory, 'hosts');
  readonly #switch = new NetworkLab();
  readonly #gridHost: NetworkLab;
  #simulator: ChildProcess | undefined;
  #output = '';
  #login = '';
  #hostCount = 0;
  #marks = 0;

  constructor() {
    this.#switch.ip('link', 'add', switchBridge, 'type', 'bridge');
    this.#switch.ip('link', 'set', switchBridge, 'up');
    this.#gridHost = this.#addMachine(gridAddress);
    writeFileSync(this.#hosts, `127.0.0.1 localhost\n${this.names}\n`);
  }

  /** Starts the grid. @returns how the hosts reach it */
  async startGrid({ username = 'admin', password = 'infoblox' } = {}): Promise<GridAccess> {
    this.#login = `${username}:${password}`;
    const flags = [
      '--username',
      username,
      '--password',
      password,
      '--listen',
      gridAddress,
      '--host-name',
      gridName,
      '--port',
      '443',
      '--log',
    ];
    const [file = '', ...args] = [...this.#gridHost.inside, process.execPath, simulator, ...flags];
    this.#simulator = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#simulator.stdout, this.#simulator.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
      });
    }
    const caFile = () => /^CA file +(\S+)$/m.exec(this.#output)?.[1];
    await until('the grid serves', () => caFile() !== undefined);
    return { host: gridName, port: 443, username, password, caFile: caFile() ?? '' };
  }

  /** Adds a host: an address of its own towards the grid, `eth1` for macvlan, and `br0` with `eth2` as a port. */
  addHost(): NetworkLab {
    this.#hostCount += 1;
    const lab = this.#addMachine(`198.51.100.${10 + this.#hostCount}`);
    for (const link of ['eth1', 'eth2']) lab.plugInto(this.#switch, switchBridge, link);
    lab.ip('link', 'add', 'br0', 'type', 'bridge');
    lab.ip('link', 'set', 'eth2', 'master', 'br0');
    lab.ip('link', 'set', 'br0', 'up');
    return lab;
  }

  /** The line of /etc/hosts for the grid. */
  get names(): string {
    return `${gridAddress} ${gridName}`;
  }

  /** Makes the command that runs a program on a host, where the grid's name is known. */
  inside(lab: NetworkLab): string[] {
    const known = ['/usr/bin/unshare', '--mount', '--propagation', 'slave'];
    return [...lab.inside, ...known, '/bin/sh', '-c', 'mount --bind "$0" /etc/hosts && exec "$@"', this.#hosts];
  }

  /** Gives the network a router, at an address with its prefix length. */
  addRouter(address: string): void {
    this.#switch.ip('address', 'add', address, 'dev', switchBridge);
  }

  /** Lists all fixed addresses of a network view, as an administrator sees them. */
  async reserved(view: string): Promise<Reserved[]> {
    const fields = '_return_fields=ipv4addr,network,name,comment';
    const { stdout, stderr } = await this.#ask(`fixedaddress?network_view=${view}&${fields}`);
    if (!stdout.startsWith('[')) throw new Error(`the grid answered ${stdout}${stderr}`);
    return JSON.parse(stdout);
  }

  /** Lists the grid's requests during an action, such as `POST fixedaddress`. */
  async requestsOf(work: () => Promise<unknown>): Promise<string[]> {
    const begin = await this.#mark();
    await work();
    const end = await this.#mark();
    const during = this.#output.slice(this.#output.indexOf(begin) + begin.length, this.#output.indexOf(end));
    const lines = during.matchAll(/^\S+ \d+ ([A-Z]+) \/wapi\/v[\d.]+\/(\w+).*\n/gm);
    return [...lines].map(([, method, type]) => `${method} ${type}`);
  }

  /** Puts a mark into the grid's log, after the requests that have been answered. @returns the mark */
  async #mark(): Promise<string> {
    this.#marks += 1;
    const mark = `name=mark-${this.#marks} (login)\n`;
    await this.#ask(`networkview?name=mark-${this.#marks}`);
    await until('the log has the mark', () => this.#output.includes(mark));
    return mark;
  }

  async dispose(): Promise<void> {
    if (this.#simulator !== undefined && this.#simulator.exitCode === null) {
      this.#simulator.kill('SIGTERM');
      await once(this.#simulator, 'exit');
    }
    for (const lab of [this.#gridHost, this.#switch]) lab.dispose();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #addMachine(address: string): NetworkLab {
    const lab = new NetworkLab();
    lab.plugInto(this.#switch, switchBridge, 'eth0');
    lab.ip('address', 'add', `${address}/24`, 'dev', 'eth0');
    return lab;
  }

  #ask(query: string): Promise<Run> {
    const caFile = /^CA file +(\S+)$/m.exec(this.#output)?.[1] ?? '';
    const curl = ['curl', '-sS', '--cacert', caFile, '-u', this.#login, '--resolve', `${gridName}:443:${gridAddress}`];
    const [file = '', ...args] = [...this.#gridHost.inside, ...curl, `https://${gridName}/wapi/v2.3/${query}`];
    return run(file, args, { PATH: process.env.PATH ?? '' });
  }
}
