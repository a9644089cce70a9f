/**
 * A machine for real installations: an overlay over this machine's file system, in its own namespaces. Writes go to the overlay, which is
 * removed afterwards. Needs root, and dpkg to install packages.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { makeControlGroup, removeControlGroup } from '../../../fixture/control-group.ts';
import { until } from '../../../fixture/host.ts';
import { firstProcess, removeMountPoint } from '../../../fixture/unshared.ts';
import { type Run, run } from '../../program.ts';

const namespaces = [
  '--mount',
  '--propagation',
  'private',
  '--uts',
  '--ipc',
  '--pid',
  '--cgroup',
  '--fork',
  '--kill-child',
];

/** Says why such a root cannot be created here; undefined if it can. */
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

/** Mounts the root at $dir/system, with its changes in $dir/upper. */
const layer = `set -e
mount -t tmpfs -o mode=0755 tmpfs $dir
mkdir $dir/upper $dir/work $dir/system
mount -t overlay overlay -o lowerdir=/,upperdir=$dir/upper,workdir=$dir/work $dir/system`;

/** Removes the driver and plugins that this machine may have, and puts `bridge` into Debian's directory. */
const blank = `
rm -rf /etc/infoblox-cni /var/lib/infoblox-cni /usr/local/*bin/infoblox* /usr/local/lib/systemd /usr/lib/cni /opt/cni /usr/libexec/cni /usr/lib/rkt
rm -f /usr/sbin/policy-rc.d
sed -i /^infoblox-cni:/d /etc/passwd /etc/shadow /etc/group /etc/gshadow
mkdir -p /usr/lib/cni && touch /usr/lib/cni/bridge`;

/** Starts only requested units, and none that this machine has enabled. */
const bootSystemd = `
mkdir -p /sys/fs/cgroup /run/units
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --make-rshared /
for name in default sysinit basic shutdown network exit sockets multi-user; do
  printf '[Unit]\\nDefaultDependencies=no\\n' >/run/units/$name.target
done
export container=test SYSTEMD_UNIT_PATH=/run/units:/etc/systemd/system:/usr/local/lib/systemd/system:/usr/lib/systemd/system
exec /lib/systemd/systemd --system --unit=default.target --log-target=null --show-status=no`;

export class ThrowawayRoot {
  readonly #directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-root-'));
  readonly #child: ChildProcess;
  readonly #cgroup: string | undefined;

  private constructor(packages: string, cgroup?: string) {
    this.#cgroup = cgroup;
    const script = `${cgroup === undefined ? '' : `echo $$ >${cgroup}/cgroup.procs\n`}exec unshare ${namespaces.join(' ')} sh -c "$boot"`;
    const boot = `${layer}
mkdir -p $dir/system/packages $dir/system/upper $dir/system/mnt/old
mount --bind "$packages" $dir/system/packages
mount --bind $dir/upper $dir/system/upper
mount -t proc proc $dir/system/proc
mount --rbind /dev $dir/system/dev
mount -t tmpfs -o mode=0755 tmpfs $dir/system/run
mount -t tmpfs -o mode=1777 tmpfs $dir/system/tmp
cd $dir/system
pivot_root . mnt/old
cd /
umount -l /mnt/old
${blank}
touch /run/booted
${cgroup === undefined ? 'sleep infinity & wait' : bootSystemd}`;
    const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', dir: this.#directory, packages, boot };
    this.#child = spawn('sh', ['-c', script], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  }

  /** @param packages a directory, mounted at /packages */
  static start(packages: string): Promise<ThrowawayRoot> {
    return ThrowawayRoot.#booted(new ThrowawayRoot(packages));
  }

  /** Whether systemd runs in it, which needs control groups. */
  static async startWithSystemd(packages: string): Promise<ThrowawayRoot> {
    const root = await ThrowawayRoot.#booted(new ThrowawayRoot(packages, makeControlGroup()));
    await until('systemd runs', async () => (await root.run('systemctl is-system-running')).output === 'running\n');
    return root;
  }

  static async #booted(root: ThrowawayRoot): Promise<ThrowawayRoot> {
    try {
      await until('the root is there', () =>
        existsSync(join('/proc', String(firstProcess(root.#child)), 'root', 'run', 'booted')),
      );
      return root;
    } catch (error) {
      await root.stop();
      throw error;
    }
  }

  /** Runs a script in it as root. @returns its exit status and output */
  async run(script: string): Promise<{ readonly status: number | undefined; readonly output: string }> {
    const { exitCode, stdout } = await this.execute(['/bin/sh', '-c', `exec 2>&1\n${script}`]);
    return { status: exitCode, output: stdout };
  }

  /** Runs a program in it as root. @param stdin the text on stdin */
  execute(command: readonly string[], env: Readonly<Record<string, string>> = {}, stdin = ''): Promise<Run> {
    const inside = ['-t', String(firstProcess(this.#child)), '-m', '-u', '-i', '-p', '-C', '--', ...command];
    const PATH = '/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
    const all = { PATH, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8', ...env };
    return run('/usr/bin/nsenter', inside, all, { pipe: stdin }, 60_000);
  }

  /** Runs a script like `run`. @returns its output @throws Error if it fails */
  async succeed(script: string): Promise<string> {
    const { status, output } = await this.run(script);
    if (status !== 0) throw new Error(`exit ${status}: ${script}\n${output}`);
    return output;
  }

  /** Lists added and changed files and links, without /run and /tmp. Removed ones do not count. */
  written(): string[] {
    const upper = `/proc/${firstProcess(this.#child)}/root/upper`;
    return readdirSync(upper, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() || entry.isSymbolicLink())
      .map((entry) => `/${relative(upper, join(entry.parentPath, entry.name))}`)
      .sort();
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      const ended = once(this.#child, 'exit');
      process.kill(firstProcess(this.#child) ?? this.#child.pid ?? 0, 'SIGKILL'); // The first process ends all others.
      await ended;
    }
    if (this.#cgroup !== undefined) await removeControlGroup(this.#cgroup);
    await removeMountPoint(this.#directory);
  }
}
