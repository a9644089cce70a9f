/** A host for a container runtime, with the driver and the network `net-1` of docs/runtimes.md, on a network with a grid. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../../fixture/host.ts';
import { blocksOf, project } from '../../fixture/pages.ts';
import type { GridAccess } from '../built-host.ts';
import { hostObstacle } from '../docs/throwaway-host.ts';
import type { NetworkLab } from '../network-lab.ts';
import { dist, requireBuilt } from '../program.ts';
import { type Reserved, SharedNetwork, sharedNetworkObstacle } from '../shared-network.ts';
import { busyboxImage } from './busybox-image.ts';
import { IsolatedHost } from './isolated-host.ts';

/** The mount point of control groups. */
const cgroups = '/sys/fs/cgroup';
/** The view of the documented configurations. */
const view = 'priv-view';

/**
 * Says why the programs cannot be tested here, and prints it. In CI all packages are installed, so only other reasons count.
 * @param programs with their Debian packages
 */
export function leftOut(what: string, programs: Readonly<Record<string, string>>): boolean {
  const missing = Object.keys(programs).find((program) => spawnSync('which', [program]).status !== 0);
  const why =
    cgroupObstacle() ??
    sharedNetworkObstacle() ??
    hostObstacle() ??
    (missing && `no ${missing} (Debian: ${programs[missing]})`);
  const isLeftOut = why !== undefined && process.env.CI === undefined;
  if (isLeftOut) process.stderr.write(`left out: ${what}: ${why}\n`);
  return isLeftOut;
}

/** Says the same for tests of the daemon's image, which only Debian can build. */
export function imageLeftOut(what: string): boolean {
  const isLeftOut = !existsSync(join(dist, 'infoblox-cni-daemon.oci.tar')) && process.env.CI === undefined;
  if (isLeftOut)
    process.stderr.write(`left out: the daemon as a container of ${what}: no image, which "make image" writes\n`);
  return isLeftOut;
}

/** Says why control groups, which every container needs, are impossible here; undefined if they are possible. */
function cgroupObstacle(): string | undefined {
  const hierarchy = [join(cgroups, 'pids'), cgroups].find((directory) => existsSync(directory)) ?? cgroups;
  try {
    rmdirSync(mkdtempSync(join(hierarchy, 'infoblox-cni-')));
    return undefined;
  } catch (error) {
    return `control groups cannot be made: ${(error as Error).message}`;
  }
}

/** Path of the script that runs the daemon as a container of docker. */
export const runDaemon = `${join(project, 'deploy/run-docker-daemon.sh')} 2>&1`;

/** Prints the tested versions, for docs/runtimes.md. */
export function printTried(...packages: string[]): void {
  const { stdout } = spawnSync('dpkg-query', ['--show', ...packages], { encoding: 'utf8' });
  const versions = stdout?.trim().replaceAll('\t', ' ').replaceAll('\n', ', ') ?? packages.join(', ');
  process.stderr.write(`tried: ${versions}\n`);
}

export class RuntimeHost {
  /** Name of this host's control group, and of other things that must be unique on the real host. */
  readonly name: string;
  readonly lan: SharedNetwork;
  readonly host: IsolatedHost;
  readonly #lab: NetworkLab;
  readonly #grid: GridAccess;

  private constructor(parts: {
    lan: SharedNetwork;
    lab: NetworkLab;
    host: IsolatedHost;
    grid: GridAccess;
    name: string;
  }) {
    this.lan = parts.lan;
    this.host = parts.host;
    this.name = parts.name;
    this.#lab = parts.lab;
    this.#grid = parts.grid;
  }

  /** Starts grid, host and daemon. The image is in /run/busybox.tar. */
  static async start(): Promise<RuntimeHost> {
    requireBuilt();
    const lan = new SharedNetwork();
    const grid = await lan.startGrid();
    const lab = lan.addHost();
    // As on every host with systemd, containers can ask to see later mounts.
    const boot = 'mount --make-shared /run';
    const host = await IsolatedHost.start(lab, { name: 'host-7', hosts: lan.names, boot });
    const started = new RuntimeHost({ lan, lab, host, grid, name: `icni-${process.pid}-${Date.now() % 100_000}` });
    try {
      await host.succeed('ln -s "$(command -v infoblox)" /usr/lib/cni/infoblox && rm -rf /etc/cni');
      await started.startDaemon();
      writeFileSync(host.path('/run/busybox.tar'), busyboxImage());
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  async startDaemon(): Promise<void> {
    const { host, username, password, caFile } = this.#grid;
    const flags = [`--grid-host=${host}`, `--wapi-username=${username}`, `--ssl-verify=${caFile}`, '--reap-after=1s'];
    await this.host.start('daemon', `env WAPI_PASSWORD=${password} infoblox-cni-daemon ${flags.join(' ')}`);
    await until('the daemon listens', () => this.host.log('daemon').includes('"listening"'));
  }

  /** Restarts the daemon, like an upgrade. */
  async restartDaemon(): Promise<void> {
    await this.host.end('daemon');
    await this.startDaemon();
  }

  /** Ends the daemon, so that one in a container can replace it with the settings in /etc/infoblox-cni. */
  async makeWayForContainer(): Promise<void> {
    await this.host.end('daemon');
    const { host, username, password, caFile } = this.#grid;
    const directory = this.host.path('/etc/infoblox-cni');
    mkdirSync(directory);
    copyFileSync(caFile, join(directory, 'grid.pem'));
    writeFileSync(join(directory, 'wapi-password'), password, { mode: 0o600 });
    const flags = [`--grid-host=${host}`, `--wapi-username=${username}`, '--ssl-verify=/etc/infoblox-cni/grid.pem'];
    writeFileSync(join(directory, 'daemon.env'), `DAEMON_FLAGS='${flags.join(' ')} --reap-after=1s'\n`);
  }

  /** Writes the network configuration of a section of docs/runtimes.md into the directory of the runtime. */
  configure(section: string, file: string): void {
    const directory = this.host.path('/etc/cni/net.d');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, file), documented(section));
  }

  /** Returns the reservations of containers on the grid. */
  async reserved(): Promise<Reserved[]> {
    return (await this.lan.reserved(view)).filter(({ comment }) => comment.includes(' container='));
  }

  async stop(): Promise<void> {
    await this.host.stop();
    this.#lab.dispose();
    await this.lan.dispose();
    await until('its control groups are gone', () => removeGroups(cgroups, this.name));
  }
}

/** Returns the first JSON block below a heading. */
function documented(section: string): string {
  const page = 'docs/runtimes.md';
  const block = blocksOf(page).find((one) => one.language === 'json' && one.heading === section);
  if (block === undefined) throw new Error(`${page} has no configuration in "${section}"`);
  return block.text;
}

/** Removes the control groups of a name, in each hierarchy. @returns false while a process is still ending */
function removeGroups(root: string, name: string): boolean {
  const hierarchies = [root, ...directoriesIn(root)];
  return hierarchies.map((directory) => removeGroup(join(directory, name))).every((isGone) => isGone);
}

function removeGroup(group: string): boolean {
  for (const child of directoriesIn(group)) removeGroup(child);
  try {
    rmdirSync(group);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

function directoriesIn(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(directory, name));
  } catch {
    return [];
  }
}
