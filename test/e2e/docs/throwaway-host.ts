/**
 * A host to run the documentation on. It has its own mounts, network and processes, so that commands run literally, with
 * /etc, /opt, /run, /usr/local and /var/lib as on the pages, and leave nothing behind.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { project } from '../../fixture/pages.ts';

/** Directories of the host itself. */
const own = ['etc', 'opt', 'usr/local', 'var/lib'];

/** Programs that the pages and the host need. */
const programs = ['bash', 'unshare', 'ip', 'curl', 'openssl', 'kustomize'];
const mainPlugins = '/usr/lib/cni';

/** Namespaces of the host itself, without its network. */
export const unshare = [
  '--mount',
  '--propagation',
  'private',
  '--uts',
  '--pid',
  '--fork',
  '--kill-child',
  '--mount-proc',
];

/** Says why such a host is impossible here; undefined if it is possible. */
export function hostObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return 'not root, and namespaces need root';
  const hidden = own.find((directory) => project.startsWith(`/${directory}/`));
  if (hidden !== undefined) return `the project is in /${hidden}, which the host has to itself`;
  const missing = programs.find((program) => spawnSync('which', [program]).status !== 0);
  if (missing !== undefined) return `no ${missing}`;
  if (!existsSync(`${mainPlugins}/bridge`)) return `no bridge in ${mainPlugins}, where the pages have it`;
  const tried = spawnSync('unshare', ['--net', ...unshare, 'true'], { encoding: 'utf8' });
  return tried.status === 0 ? undefined : `no namespaces: ${tried.error?.message ?? tried.stderr.trim()}`;
}

export interface HostRun {
  readonly status: number | null;
  /** The text of stdout and stderr. */
  readonly output: string;
}

/**
 * Runs a bash script on a host of its own, in a writable directory that looks like the source tree.
 * @param patience milliseconds until it is killed
 */
export function runOnThrowawayHost(script: string, patience: number): HostRun {
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-docs-'));
  try {
    const { status, stdout } = spawnSync(
      'unshare',
      ['--net', ...unshare, 'bash', '-c', `${boot}\n${toGrid}\n${script}`],
      {
        encoding: 'utf8',
        env: bootEnvironment(directory),
        timeout: patience,
        killSignal: 'SIGKILL',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    return { status, output: stdout };
  } finally {
    rmdirSync(directory);
  }
}

/** @param directory empty, filled by the host */
export function bootEnvironment(directory: string): NodeJS.ProcessEnv {
  // Without these variables a `make` on a page does not print the directory that it enters.
  return { ...process.env, MAKELEVEL: '', MAKEFLAGS: '', LANG: 'C.UTF-8', ROOM: directory, PROJECT: project };
}

/** Starts the grid on the host itself. */
const toGrid = "echo '127.0.0.1 grid.example.com gm.example.com' >>/etc/hosts";

/** Prepares the host for the script. The tmpfs disappears with the namespace. */
export const boot = `
set -e
exec 2>&1
mount -t tmpfs -o mode=0755 tmpfs "$ROOM"
mkdir -p "$ROOM/etc" "$ROOM/opt" "$ROOM/usr/local/bin" "$ROOM/var/lib" "$ROOM/home" "$ROOM/project"
cp -a /etc/. "$ROOM/etc"
for directory in ${own.join(' ')}; do mount --bind "$ROOM/$directory" "/$directory"; done
mkdir "$ROOM/plugins" "$ROOM/main-plugins"
mount --bind ${mainPlugins} "$ROOM/main-plugins"
ln -s "$ROOM/main-plugins"/* "$ROOM/plugins"
mount --bind "$ROOM/plugins" ${mainPlugins}
# What the real host has mounted there would stay in the list of mounts, and docker would take it for what is there now.
umount --recursive --lazy /run/netns 2>/dev/null || true
mount -t tmpfs -o mode=0755 tmpfs /run
ip link set lo up
# As a host has one. Without, and with the link-local address of a bridge, names are looked up for IPv6 alone (AI_ADDRCONFIG).
ip address add 192.0.2.7/32 dev lo
ln -s "$PROJECT"/* "$ROOM/project"
export HOME="$ROOM/home" PATH="$PROJECT/dist:$PROJECT/node_modules/.bin:$PATH"
cd "$ROOM/project"
`;
