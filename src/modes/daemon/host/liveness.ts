/**
 * Whether the network namespace of a container still exists: a pure decision over what was recorded when the container
 * got its address and what is seen now. Only what proves the end counts: an address that is taken from a living container
 * is worse than one that a dead container keeps.
 */
import type { Fate } from '../../../infoblox/host.ts';

/** One run of the host's kernel. */
export interface Boot {
  /**
   * From /proc/sys/kernel/random/boot_id. No proof of a reboot: systemd-nspawn, and with it rkt's stage 1, show each
   * container another one at each start.
   */
  readonly id: string | undefined;
  /** Seconds since 1970. Moves when the clock is set: no proof of a reboot either. */
  readonly at: number | undefined;
  /** Seconds that it has lasted at least; undefined if something else than the kernel of the host may have said so. */
  readonly uptime?: number | undefined;
}

export interface Recorded {
  /** Device and inode of the namespace. */
  readonly id: string;
  /** Through which place it was seen; see `Seen`. Undefined if that says nothing. */
  readonly place: string | undefined;
  /** The directory that held the place; undefined if that says nothing. */
  readonly above?: string | undefined;
  readonly boot: Boot;
  /** When the process started whose namespace it is, in clock ticks since the boot; undefined if not known. */
  readonly processStart: number | undefined;
}

export interface Seen {
  readonly at: PathState;
  /** What has to be the same for the path to mean the same: a directory, or the PID namespace of /proc. */
  readonly place: string | undefined;
  /** The directory that held the place, if it has nothing of that name any more. */
  readonly above?: string | undefined;
  readonly boot: Boot;
  /** For `/proc/PID/ns/net` only. */
  readonly process?: ProcessState | undefined;
}

export type PathState =
  | { readonly kind: 'namespace'; readonly id: string }
  /** Something else is there: a mount point whose mount is gone, or is not visible from here. */
  | { readonly kind: 'other' | 'absent' | 'unclear' };

export type ProcessState = { readonly start: number } | 'absent' | 'unclear';

/** Seconds by which the boot time of one and the same boot may seem to differ: it is computed from two clocks. */
const bootToleranceSeconds = 10;

/** Decides whether a recorded namespace still exists. */
export function fateOf(recorded: Recorded, seen: Seen): Fate {
  if (seen.at.kind === 'namespace' && seen.at.id === recorded.id) return 'alive';
  if (seen.at.kind === 'absent' && isLaterBoot(recorded.boot, seen.boot)) return 'gone with its boot';
  if (isAnotherBoot(recorded.boot, seen.boot)) return 'gone';
  if (recorded.place === undefined) return 'unknown';
  if (recorded.place !== seen.place)
    return recorded.above !== undefined && recorded.above === seen.above ? 'gone' : 'unknown';
  if (seen.process !== undefined) return hasEnded(seen.process, recorded.processStart) ? 'gone' : 'unknown';
  return seen.at.kind === 'absent' || seen.at.kind === 'namespace' ? 'gone' : 'unknown';
}

/** A kernel counts from its boot, and nobody can set that back: one that has counted less is another one. */
export function isLaterBoot(before: Boot, now: Boot): boolean {
  if (before.id === undefined || now.id === undefined || before.id === now.id) return false;
  return before.uptime !== undefined && now.uptime !== undefined && now.uptime < before.uptime;
}

/** Both signs of a reboot are needed, since each of them comes without one. */
function isAnotherBoot(before: Boot, now: Boot): boolean {
  if (before.id === undefined || now.id === undefined || before.id === now.id) return false;
  if (before.at === undefined || now.at === undefined) return false;
  return Math.abs(now.at - before.at) > bootToleranceSeconds;
}

/** A process that is there may have moved to another namespace and left children in the old one. */
function hasEnded(state: ProcessState, start: number | undefined): boolean {
  if (state === 'absent') return true;
  return state !== 'unclear' && start !== undefined && state.start !== start;
}
