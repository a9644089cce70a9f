/**
 * A machine to install on for real: the file system of this one below a layer of its own, in namespaces of their own. What is written
 * lands in the layer, and goes with it. Needs root, and dpkg where packages are installed.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { until } from '../../fixture/host.ts';

const namespaces = ['--mount', '--propagation', 'private', '--uts', '--ipc', '--pid', '--fork', '--kill-child'];

/** Why there can be no such root here; undefined if there can. */
export function rootObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root';
  for (const program of ['dpkg', 'dpkg-deb', 'unshare']) {
    if (spawnSync(program, ['--version']).error !== undefined) return `no ${program} on this host`;
  }
  const tried = spawnSync('unshare', [
    ...namespaces,
    'sh',
    '-c',
    `dir=$(mktemp -d)\n${layer}\numount -R $dir\nrmdir $dir`,
  ]);
  return tried.status === 0 ? undefined : `no overlay in a mount namespace: ${tried.stderr}`;
}

/** Mounts the root at $dir/root, with what is written to it in $dir/upper. */
const layer = `set -e
mount -t tmpfs -o mode=0755 tmpfs $dir
mkdir $dir/upper $dir/work $dir/root
mount -t overlay overlay -o lowerdir=/,upperdir=$dir/upper,workdir=$dir/work $dir/root`;

/** What this machine may have of the driver, or of plugins beside which it would be put; main plugins are where Debian has them. */
const blank = `
rm -rf /etc/infoblox-cni /var/lib/infoblox-cni /usr/local/*bin/infoblox* /usr/local/lib/systemd /usr/lib/cni /opt/cni /usr/libexec/cni /usr/lib/rkt
rm -f /usr/sbin/policy-rc.d
sed -i /^infoblox-cni:/d /etc/passwd /etc/shadow /etc/group /etc/gshadow
mkdir -p /usr/lib/cni && touch /usr/lib/cni/bridge`;

export class ThrowawayRoot {
  readonly #directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-root-'));
  readonly #child: ChildProcess;

  /** @param packages a directory, which is /packages there */
  private constructor(packages: string) {
    const script = `${layer}
mkdir -p $dir/root/packages
mount --bind "$packages" $dir/root/packages
mount -t proc proc $dir/root/proc
mount --rbind /dev $dir/root/dev
mount -t tmpfs -o mode=0755 tmpfs $dir/root/run
mount -t tmpfs -o mode=1777 tmpfs $dir/root/tmp
chroot $dir/root /bin/sh -c '${blank}'
touch $dir/booted
sleep infinity & wait`;
    const env = { PATH: process.env.PATH, dir: this.#directory, packages };
    this.#child = spawn('unshare', [...namespaces, 'sh', '-c', script], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }

  static async start(packages: string): Promise<ThrowawayRoot> {
    const root = new ThrowawayRoot(packages);
    await until('the root is there', () => existsSync(join(root.#outside, 'booted')));
    return root;
  }

  /** Runs a script there, as root. @returns its exit status, with all that it prints */
  run(script: string): { readonly status: number | null; readonly output: string } {
    const inside = ['-t', String(this.#init()), '-m', '-u', '-i', '-p', '--', 'chroot', join(this.#directory, 'root')];
    const env = {
      PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      DEBIAN_FRONTEND: 'noninteractive',
      LC_ALL: 'C.UTF-8',
    };
    const { status, stdout } = spawnSync('/usr/bin/nsenter', [...inside, '/bin/sh', '-c', `exec 2>&1\n${script}`], {
      encoding: 'utf8',
      env,
    });
    return { status, output: stdout };
  }

  /** As `run`. @returns what it prints. @throws Error if it fails */
  succeed(script: string): string {
    const { status, output } = this.run(script);
    if (status !== 0) throw new Error(`exit ${status}: ${script}\n${output}`);
    return output;
  }

  /** Files and links that are not those of the machine below, without /run and /tmp; what was removed of it does not count. */
  written(): string[] {
    const upper = join(this.#outside, 'upper');
    return readdirSync(upper, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() || entry.isSymbolicLink())
      .map((entry) => `/${relative(upper, join(entry.parentPath, entry.name))}`)
      .sort();
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      this.#child.kill('SIGKILL'); // unshare takes the first process along, and that one all others
      await once(this.#child, 'exit');
    }
    await until('its file system is gone', () => this.#remove());
  }

  /** The directory of the layer, which only those see who are in its namespace. */
  get #outside(): string {
    return `/proc/${this.#init()}/root${this.#directory}`;
  }

  /** The first process there: the only child of `unshare`. */
  #init(): number {
    const { pid } = this.#child;
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0]);
  }

  #remove(): boolean {
    try {
      rmdirSync(this.#directory);
      return true;
    } catch {
      return false;
    }
  }
}
