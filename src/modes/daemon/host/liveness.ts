/**
 * Decides whether a container's network namespace still exists, from what was recorded at its ADD and what is seen now.
 * Pure. Only proof of its end counts: taking the address of a living container is worse than keeping a dead one's.
 */
import type { Fate } from '../../../infoblox/host.ts';

/** One run of the host's kernel. */
export interface Boot {
  /**
   * From /proc/sys/kernel/random/boot_id. A new ID does not prove a reboot: systemd-nspawn, which rkt's stage 1 uses,
   * shows each container a new one at each start.
   */
  readonly id: string | undefined;
  /** Seconds since 1970. A change does not prove a reboot either: setting the clock changes it. */
  readonly at: number | undefined;
  /** Minimum age in seconds; undefined if it may not come from the host's kernel. */
  readonly uptime?: number | undefined;
}

export interface Recorded {
  /** Device and inode of the namespace. */
  readonly id: string;
  /** The place through which it was seen, see `Seen`; undefined if that proves nothing. */
  readonly place: string | undefined;
  /** The directory that held the place; undefined if that proves nothing. */
  readonly above?: string | undefined;
  readonly boot: Boot;
  /** Start of the namespace's process, in clock ticks since the boot; undefined if unknown. */
  readonly processStart: number | undefined;
}

export interface Seen {
  readonly at: PathState;
  /** What the path depends on: a directory, or the PID namespace of /proc. If it differs, the path proves nothing. */
  readonly place: string | undefined;
  /** The directory that held the place, if the place's name is gone from it. */
  readonly above?: string | undefined;
  readonly boot: Boot;
  /** For `/proc/PID/ns/net` only. */
  readonly process?: ProcessState | undefined;
}

export type PathState =
  | { readonly kind: 'namespace'; readonly id: string }
  /** `other`: a mount point without its mount, for example. `unclear`: not visible from here. */
  | { readonly kind: 'other' | 'absent' | 'unclear' };

export type ProcessState = { readonly start: number } | 'absent' | 'unclear';

/** Tolerance, in seconds, for the boot time of one boot: it is computed from two clocks. */
const bootToleranceSeconds = 10;

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

/** Compares uptimes. A kernel's uptime only grows, so a lower one belongs to another boot. */
export function isLaterBoot(before: Boot, now: Boot): boolean {
  if (before.id === undefined || now.id === undefined || before.id === now.id) return false;
  return before.uptime !== undefined && now.uptime !== undefined && now.uptime < before.uptime;
}

/** Requires both signs of a reboot, since each can appear without a reboot. */
function isAnotherBoot(before: Boot, now: Boot): boolean {
  if (before.id === undefined || now.id === undefined || before.id === now.id) return false;
  if (before.at === undefined || now.at === undefined) return false;
  return Math.abs(now.at - before.at) > bootToleranceSeconds;
}

/** Tells whether a process has ended. A living one proves nothing: it may have left children in its old namespace. */
function hasEnded(state: ProcessState, start: number | undefined): boolean {
  if (state === 'absent') return true;
  return state !== 'unclear' && start !== undefined && state.start !== start;
}
