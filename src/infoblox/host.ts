/**
 * The Host port: the machine that the core runs on, without its clock. The daemon's implementation is in
 * modes/daemon/host; the simulation's can die, boot and be cloned.
 */

export interface Host {
  /** The identity of this machine. */
  readonly machine: Machine;
  /** The ID of this boot; null if it cannot be read. A different ID alone does not prove a reboot. */
  readonly bootId: string | null;
  /** Identifies a network namespace. Never throws: an unclear one counts as unseen. */
  identify(netns: string): SandboxIdentity;
  /**
   * Tells whether a namespace still exists; `gone` only if that is proven. Never throws.
   * @param lastUptime the highest known uptime of its boot, in seconds; null if unknown
   */
  fate(identity: SandboxIdentity, lastUptime: number | null): Fate;
  /** This boot of the host. Never throws. */
  boot(): Boot;
  /** Tells whether the host has certainly booted since the given uptime of another boot. */
  hasBootedSince(boot: Boot): boolean;
  /** Tells whether an address is this host's own. Never rejects. */
  isOwnAddress(address: string): Promise<boolean>;
  /** Returns a random number from 0 up to 1. It spreads the actions of hosts that were interrupted together. */
  random(): number;
}

/** The identity of a machine, as hashes; undefined if unreadable. */
export interface Machine {
  /** From /etc/machine-id. Images without one, and containers, have none or that of their image. */
  readonly installation: string | undefined;
  /** From the DMI's product UUID of the real or virtual hardware; containers see their host's. */
  readonly hardware: string | undefined;
}

/** `gone with its boot`: the host has certainly booted since. */
export type Fate = 'alive' | 'gone' | 'gone with its boot' | 'unknown';

/** A boot of the host. */
export type Boot = Pick<SandboxIdentity, 'bootId' | 'bootedAt' | 'uptime'>;

/** The identity of a container's network namespace, recorded when the container gets its address. */
export interface SandboxIdentity {
  /** Its path, as the runtime named it. */
  readonly netns: string | null;
  /**
   * Null if it is not visible from here. Otherwise device and inode of the namespace; after ` via ` those of the place
   * through which it was seen; after ` in ` those of the directory above. Only a process that sees one of these again
   * can conclude from an absent path that the namespace is gone.
   */
  readonly netnsId: string | null;
  /** For `/proc/PID/ns/net`: when the process started, in clock ticks since the boot. */
  readonly processStart: number | null;
  readonly bootId: string | null;
  /** Seconds since 1970. */
  readonly bootedAt: number | null;
  /** Uptime in seconds; null if it may not come from the host's kernel. */
  readonly uptime: number | null;
}

/** The identity if there is no namespace. */
export const noSandbox: SandboxIdentity = {
  netns: null,
  netnsId: null,
  processStart: null,
  bootId: null,
  bootedAt: null,
  uptime: null,
};
