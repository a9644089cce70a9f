/**
 * Decides whether a container's network namespace still exists, from what was recorded at its ADD and what is seen now.
 * Pure. Only proof of its end counts: taking the address of a living container is worse than keeping a dead one's.
 */
import type { Boot, Fate } from '../../../infoblox/host.ts';

export interface Recorded {
  /** Device and inode of the namespace. */
  readonly id: string;
  /** The place through which it was seen, see `Seen`; undefined if that proves nothing. */
  readonly place: string | undefined;
  /** The directory that held the place; undefined if that proves nothing. */
  readonly above?: string | undefined;
  readonly boot: Boot;
  /** Start of the namespace's process, in clock ticks since the boot; null if unknown. */
  readonly processStart: number | null;
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
  return hasOtherId(before, now) && before.uptime !== null && now.uptime !== null && now.uptime < before.uptime;
}

/** Requires both signs of a reboot, since each can appear without a reboot: setting the clock changes the time of the boot. */
function isAnotherBoot(before: Boot, now: Boot): boolean {
  if (!hasOtherId(before, now) || before.bootedAt === null || now.bootedAt === null) return false;
  return Math.abs(now.bootedAt - before.bootedAt) > bootToleranceSeconds;
}

/**
 * Compares the IDs of boots. A new one does not prove a reboot: systemd-nspawn, which rkt's stage 1 uses, shows each container a new
 * one at each start.
 */
function hasOtherId(before: Boot, now: Boot): boolean {
  return before.bootId !== null && now.bootId !== null && before.bootId !== now.bootId;
}

/** Tells whether a process has ended. A living one proves nothing: it may have left children in its old namespace. */
function hasEnded(state: ProcessState, start: number | null): boolean {
  if (state === 'absent') return true;
  return state !== 'unclear' && start !== null && state.start !== start;
}
