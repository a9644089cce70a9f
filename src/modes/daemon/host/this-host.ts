/** The host that the daemon runs on, through its kernel and files. */
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { lstatSync, readFileSync, readlinkSync, statfsSync, statSync } from 'node:fs';
import { uptime } from 'node:os';
import { dirname, normalize } from 'node:path';
import { isErrno } from '../../../errno.ts';
import { fileIdentity, identityOf } from '../../../files/regular-file.ts';
import { familyOf } from '../../../infoblox/address.ts';
import type { Clock } from '../../../infoblox/concurrency/clock.ts';
import type { Boot, Host, Machine } from '../../../infoblox/host.ts';
import type { Log } from '../../../infoblox/log.ts';
import { fateOf, isLaterBoot, type PathState, type ProcessState, type Recorded, type Seen } from './liveness.ts';

/** Any port: connecting a UDP socket sends nothing. */
const anyPort = 9;

const machineFiles = {
  machineId: '/etc/machine-id',
  productUuid: '/sys/class/dmi/id/product_uuid',
  /** The hash of the UUID, which root writes for the service, whose user may not read the UUID. */
  hardware: '/run/infoblox-cni-hardware',
};

/** Magic number of the file system that holds namespaces (linux/magic.h, NSFS_MAGIC). */
const nsfs = 0x6e736673;
/** Milliseconds. Reading the time costs as much as checking a namespace, and a listing checks thousands. */
const maxBootTimeAgeMs = 1_000;
/** Magic number of /proc (linux/magic.h, PROC_SUPER_MAGIC). */
const procfs = 0x9fa0;
/** Inode of the initial time namespace (linux/proc_ns.h, PROC_TIME_INIT_INO). Others can shift the boot time. */
const firstTimeNamespace = 4_026_531_834;
/** The boot ID if it cannot be read. */
const unknownBoot = 'unknown';

/** This boot, as the kernel shows it. */
interface Kernel {
  readonly bootId: string;
  /** Seconds. */
  readonly uptime: () => number;
  /** Whether the uptime certainly comes from the host's kernel. */
  readonly isUptimeCertain: boolean;
}

interface HostDeps {
  readonly clock: Pick<Clock, 'wall' | 'now'>;
  readonly log: Pick<Log, 'warn'>;
}

/**
 * Makes the Host port of this host. Warns once of an invisible namespace under /proc: the systemd unit hides them, and
 * the address of such a container would never be released without DEL or GC.
 * @param kernel another one in tests
 */
export function thisHost({ clock, log }: HostDeps, kernel: Kernel = readKernel()): Host {
  const readBoot = () => {
    const { bootId, isUptimeCertain } = kernel;
    const uptime = kernel.uptime();
    const bootedAt = Math.round(clock.wall() / 1000 - uptime);
    return { bootId, bootedAt, uptime: isUptimeCertain ? Math.floor(uptime) : null };
  };
  let latest = readBoot();
  let readAt = clock.now();
  let warned = false;
  const boot = () => {
    if (clock.now() - readAt > maxBootTimeAgeMs) {
      latest = readBoot();
      readAt = clock.now();
    }
    return latest;
  };
  const warnOfUnseen = (netns: string) => {
    if (warned || !netns.startsWith('/proc/')) return;
    warned = true;
    const hint = 'let the daemon see other processes: "Runtimes that name /proc" in docs/operations.md';
    log.warn('cannot see the network namespace of a container: if it ends without DEL, only GC releases its address', {
      netns,
      hint,
    });
  };
  return {
    machine: readMachine(),
    bootId: kernel.bootId === unknownBoot ? null : kernel.bootId,
    isOwnAddress,
    random: Math.random,
    boot,
    hasBootedSince: (before) => isLaterBoot(withKnownId(before), withKnownId(boot())),
    identify(path) {
      const at = lookAt(path);
      if (at.kind !== 'namespace') {
        warnOfUnseen(path);
        return { netns: path, netnsId: null, processStart: null, ...boot() };
      }
      const process = processAt(path);
      const processStart = typeof process === 'object' ? process.start : null;
      return { netns: path, netnsId: at.id + placeText(path), processStart, ...boot() };
    },
    fate({ netns, netnsId, processStart, bootId, bootedAt }, lastUptime) {
      if (netns === null || netnsId === null) return 'unknown';
      const [id = '', place, above] = netnsId.split(/ via | in /);
      const recorded = { id, place, above, boot: withKnownId({ bootId, bootedAt, uptime: lastUptime }), processStart };
      return fateOf(recorded, { ...see(netns, recorded), boot: withKnownId(boot()) });
    },
  };
}

function withKnownId(boot: Boot): Boot {
  return boot.bootId === unknownBoot ? { ...boot, bootId: null } : boot;
}

/** Inspects a path, and its surroundings only where they matter: a listing inspects thousands. */
function see(path: string, { id, place }: Pick<Recorded, 'id' | 'place'>): Omit<Seen, 'boot'> {
  const at = lookAt(path);
  const isThere = at.kind === 'namespace' && at.id === id;
  if (isThere || place === undefined) return { at, place: undefined };
  const directory = directoryOf(path);
  const above = directory === undefined ? aboveAbsent(path) : undefined;
  return { at, place: directory, above, process: processAt(path) };
}

function lookAt(path: string): PathState {
  if (!path.startsWith('/')) return { kind: 'unclear' };
  try {
    // Thrown errors for absent paths would double the cost of a listing.
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (found === undefined) return { kind: 'absent' };
    return statfsSync(path).type === nsfs ? { kind: 'namespace', id: identityOf(found) } : { kind: 'other' };
  } catch (error) {
    return { kind: isErrno(error, 'ENOENT', 'ESRCH') ? 'absent' : 'unclear' };
  }
}

/**
 * Returns the place of a path in the form of `netnsId`. Symbolic links and namespaces that a process holds open or
 * mounted have none: they may disappear while the place stays.
 */
function placeText(path: string): string {
  try {
    if (processOf(path) === undefined && (isInProcess(path) || lstatSync(path).isSymbolicLink())) return '';
    const place = directoryOf(path);
    if (place === undefined) return '';
    const above = directoryAbove(path);
    return above === undefined ? ` via ${place}` : ` via ${place} in ${above}`;
  } catch {
    return '';
  }
}

/** Returns the parent of a path's directory; undefined if it is reached by a link or a mount, which may disappear. */
function directoryAbove(path: string): string | undefined {
  if (processOf(path) !== undefined) return undefined;
  const directory = dirname(path);
  const above = statSync(dirname(directory), { bigint: true });
  const its = lstatSync(directory, { bigint: true });
  return its.isDirectory() && its.dev === above.dev ? identityOf(above) : undefined;
}

/** Returns the parent of a path's directory if that directory is gone. */
function aboveAbsent(path: string): string | undefined {
  const directory = dirname(path);
  try {
    if (lstatSync(directory, { throwIfNoEntry: false }) !== undefined) return undefined;
    return fileIdentity(`${dirname(directory)}/`);
  } catch {
    return undefined;
  }
}

/**
 * Returns the directory of a path, which keeps its identity when the path becomes a mount point; for a process, the PID
 * namespace that /proc shows.
 * @returns undefined if it cannot be seen
 */
function directoryOf(path: string): string | undefined {
  try {
    // The slash makes a file an error: below a file every path is absent.
    if (processOf(path) === undefined) return fileIdentity(`${dirname(path)}/`);
    // The /proc of another PID namespace proves nothing about ours. Where processes are hidden, process 1 is too.
    if (readlinkSync('/proc/self') !== String(process.pid)) return undefined;
    statSync('/proc/1');
    return fileIdentity('/proc/self/ns/pid');
  } catch {
    return undefined;
  }
}

/** Returns the process of a path `/proc/PID/ns/net`, or the same of one of its threads. */
function processOf(path: string): string | undefined {
  // The common case first: most paths are in /run/netns, and a listing checks thousands.
  if (!path.includes('/proc/')) return undefined;
  return /^\/proc\/(\d+)\/(?:task\/\d+\/)?ns\/net$/.exec(normalize(path))?.[1];
}

function isInProcess(path: string): boolean {
  return /^\/proc\/\d+\//.test(normalize(path));
}

function processAt(path: string): ProcessState | undefined {
  const pid = processOf(path);
  if (pid === undefined) return undefined;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // proc(5): starttime is field 22; field 2, the command in parentheses, may hold spaces and parentheses.
    const start = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
    return Number.isSafeInteger(start) ? { start } : 'unclear';
  } catch (error) {
    return isErrno(error, 'ENOENT', 'ESRCH') ? 'absent' : 'unclear';
  }
}

function readKernel(): Kernel {
  return { bootId: readBootId(), uptime, isUptimeCertain: isUptimeCertain() };
}

/**
 * Tells whether /proc/uptime is the host kernel's. A container may have its own (lxcfs), or a time namespace that
 * shifts it.
 */
function isUptimeCertain(): boolean {
  try {
    const isMount =
      statSync('/proc/uptime').dev !== statSync('/proc').dev || statfsSync('/proc/uptime').type !== procfs;
    // Kernels before 5.6 have no time namespaces.
    const timeNamespace = statSync('/proc/self/ns/time', { throwIfNoEntry: false })?.ino ?? firstTimeNamespace;
    return !isMount && timeNamespace === firstTimeNamespace;
  } catch {
    return false;
  }
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return unknownBoot;
  }
}

/**
 * Tells whether an address is this host's: the kernel sends to its own addresses, and only to those, from the same
 * address (ip-route(8), "local"). Listing the interfaces would need a netlink socket, which the service's sandbox
 * denies.
 * @returns false also if there is no route to the address. Never rejects
 */
export function isOwnAddress(address: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createSocket(`udp${familyOf(address)}`);
  const end = (isOwn: boolean) => {
    socket.close();
    resolve(isOwn);
  };
  socket.once('error', () => end(false));
  socket.connect(anyPort, address, () => end(socket.address().address === address));
  return promise;
}

/** Reads the identity of this machine. Never throws. */
export function readMachine({ machineId, productUuid, hardware } = machineFiles): Machine {
  const uuid = read(productUuid, /^(?![0-]+$|[f-]+$)[0-9a-f-]{36}$/);
  return {
    installation: hashed(read(machineId, /^[0-9a-f]{32}$/)),
    hardware: hashed(uuid) ?? read(hardware, /^[0-9a-f]{32}$/),
  };
}

function read(file: string, form: RegExp): string | undefined {
  try {
    const text = readFileSync(file, 'latin1').trim().toLowerCase();
    return form.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Hashes an ID with a word of this application: machine-id(5) is confidential and must not leave the machine. The
 * systemd unit does the same to the product UUID.
 */
function hashed(id: string | undefined): string | undefined {
  return id === undefined ? undefined : createHash('sha256').update(`infoblox-cni ${id}`).digest('hex').slice(0, 32);
}
