/**
 * A host and its containers, each in a network namespace of its own, so that the real host's network is not changed and all
 * links disappear with their namespaces. Independent of the test framework: the demo uses it, too.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { dist, type Run, run } from './program.ts';

/** Directories of the reference plugins of distributions and of the CNI project. */
const pluginDirs = ['/usr/lib/cni', '/opt/cni/bin'];

export interface Container {
  readonly id: string;
  /** The value of CNI_NETNS. */
  readonly netns: string;
}

/** Says why a lab is impossible here; undefined if it is possible. */
export function labObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root, and network namespaces need root';
  const found = spawnSync('ip', ['-V']);
  if (found.error !== undefined) return 'no "ip" command (Debian package iproute2)';
  if (pluginDir() === undefined) {
    return `no bridge plugin in ${pluginDirs.join(' or ')} (Debian package containernetworking-plugins)`;
  }
  const name = randomName('try');
  const tried = spawnSync('ip', ['netns', 'add', name], { encoding: 'utf8' });
  if (tried.status !== 0) return `network namespaces cannot be made here: ${tried.stderr.trim()}`;
  ip('netns', 'del', name);
  return undefined;
}

/** Tells whether this kernel has a kind of link. */
export function kernelHas(type: string): boolean {
  const name = randomName('try');
  ip('netns', 'add', name);
  try {
    const [one, other] = ['try0', 'try1'];
    ip('-n', name, 'link', 'add', one, 'type', 'veth', 'peer', 'name', other);
    return spawnSync('ip', ['-n', name, 'link', 'add', 'link', one, 'name', 'try2', 'type', type]).status === 0;
  } finally {
    ip('netns', 'del', name);
  }
}

/** A network configuration, in which `type` names the main plugin. */
export type MainNetconf = Readonly<Record<string, unknown>> & { readonly type: string };

export class NetworkLab {
  readonly #host = randomName('host');
  readonly #namespaces: string[] = [];
  #plugins = pluginDir() ?? '';

  constructor() {
    this.#add(this.#host);
    this.ip('link', 'set', 'lo', 'up');
  }

  /** Runs main plugins from another directory than that of the host. */
  usePlugins(directory: string): void {
    this.#plugins = directory;
  }

  /** A command that runs the following one in the host's network. */
  get inside(): string[] {
    return ['/usr/bin/nsenter', `--net=/run/netns/${this.#host}`];
  }

  /** Adds a link to the host, for plugins that need a master. @returns its name */
  addMaster(): string {
    this.ip('link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'upstream');
    for (const link of ['uplink', 'upstream']) this.ip('link', 'set', link, 'up');
    return 'uplink';
  }

  /** Adds a link to the host whose other end is a port of a bridge in another namespace. */
  plugInto(neighbour: NetworkLab, bridge: string, link: string): void {
    const port = `to-${randomBytes(3).toString('hex')}`;
    neighbour.ip('link', 'add', port, 'type', 'veth', 'peer', 'name', link, 'netns', this.#host);
    neighbour.ip('link', 'set', port, 'master', bridge, 'up');
    this.ip('link', 'set', link, 'up');
  }

  /** Makes a container's namespace. */
  addContainer(): Container {
    const id = randomName('container');
    this.#add(id);
    return { id, netns: `/run/netns/${id}` };
  }

  /** Runs a program inside a container. */
  runInside({ netns }: Container, program: readonly string[]): Promise<Run> {
    return run('/usr/bin/nsenter', [`--net=${netns}`, ...program], { PATH: process.env.PATH ?? '' });
  }

  /** Removes a container's namespace, like a reboot or a crash. */
  removeContainer({ id }: Container): void {
    ip('netns', 'del', id);
    this.#namespaces.splice(this.#namespaces.indexOf(id), 1);
  }

  /** Runs `ip` on the host. */
  ip(...args: string[]): string {
    return ip('-n', this.#host, ...args);
  }

  /** Runs `ip` inside a container. */
  ipInside({ id }: Container, ...args: string[]): string {
    return ip('-n', id, ...args);
  }

  /** Lists the IPv4 addresses of a container's interface, with prefix length. */
  addresses(container: Container, ifName: string): string[] {
    const links: { addr_info: { local: string; prefixlen: number }[] }[] = JSON.parse(
      this.ipInside(container, '-json', '-4', 'addr', 'show', 'dev', ifName),
    );
    return links.flatMap((link) => link.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`));
  }

  /** Lists the IPv4 routes of a container, as `dst via gateway` or `dst`. */
  routes(container: Container): string[] {
    const routes: { dst: string; gateway?: string }[] = JSON.parse(this.ipInside(container, '-json', '-4', 'route'));
    return routes.map(({ dst, gateway }) => (gateway === undefined ? dst : `${dst} via ${gateway}`)).sort();
  }

  /** Returns the hardware address of a container's interface. */
  mac(container: Container, ifName: string): string {
    const [link]: { address: string }[] = JSON.parse(this.ipInside(container, '-json', 'link', 'show', 'dev', ifName));
    return link?.address ?? '';
  }

  /** Runs a main plugin on the host like a runtime. It finds ours, and itself, in CNI_PATH. */
  runMainPlugin(command: string, container: Container, ifName: string, netconf: MainNetconf): Promise<Run> {
    const env = {
      PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
      CNI_COMMAND: command,
      CNI_CONTAINERID: container.id,
      CNI_NETNS: container.netns,
      CNI_IFNAME: ifName,
      CNI_PATH: `${this.#plugins}:${dist}`,
    };
    const args = ['netns', 'exec', this.#host, `${this.#plugins}/${netconf.type}`];
    return run('ip', args, env, { pipe: JSON.stringify(netconf) });
  }

  /** Removes the namespaces and everything in them. Never throws. */
  dispose(): void {
    for (const name of this.#namespaces.splice(0)) spawnSync('ip', ['netns', 'del', name]);
  }

  #add(name: string): void {
    ip('netns', 'add', name);
    this.#namespaces.push(name);
  }
}

/** Finds the directory of the reference plugins; undefined if they are not installed. */
function pluginDir(): string | undefined {
  return pluginDirs.find((directory) => existsSync(`${directory}/bridge`));
}

function randomName(kind: string): string {
  return `infoblox-cni-${kind}-${randomBytes(3).toString('hex')}`;
}

/** Runs `ip`. @throws Error with its output */
function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
