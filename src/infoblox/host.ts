/**
 * The Host port: what the core knows of the machine that it runs on, beside its clock. The daemon's is in modes/daemon/host; the
 * simulation has one that dies, boots and is cloned as a test wants.
 */

export interface Host {
  /** What tells this machine from others. */
  readonly machine: Machine;
  /** Names this boot of the host; null if it cannot be read. Another one alone is no proof of a reboot. */
  readonly bootId: string | null;
  /** Looks at a network namespace. Never throws: what is unclear is not seen. */
  identify(netns: string): SandboxIdentity;
  /**
   * Tells whether a namespace is still there: `gone` only if that is proven. Never throws.
   * @param lastUptime the highest that is known of its boot, in seconds; null if none is
   */
  fate(identity: SandboxIdentity, lastUptime: number | null): Fate;
  /** This boot of the host. Never throws. */
  boot(): Boot;
  /** Tells whether the host has certainly been booted since another boot had lasted so long. */
  hasBootedSince(boot: Boot): boolean;
  /** Tells whether an address is one of this host itself. Never rejects. */
  isOwnAddress(address: string): Promise<boolean>;
  /** A number from 0 up to 1, another each time: what hosts do that were interrupted together is spread by it. */
  random(): number;
}

/** What tells machines apart, as hashes; undefined what cannot be read here. */
export interface Machine {
  /** From /etc/machine-id: of the installation. Images without one, and containers, have none or that of their image. */
  readonly installation: string | undefined;
  /** From the DMI's product UUID: of the hardware, real or virtual; containers see their host's. */
  readonly hardware: string | undefined;
}

/** `gone with its boot`: the host has certainly been booted since. */
export type Fate = 'alive' | 'gone' | 'gone with its boot' | 'unknown';

/** Names a boot of the host. */
export type Boot = Pick<SandboxIdentity, 'bootId' | 'bootedAt' | 'uptime'>;

/** What is remembered of a container's network namespace when it is given its address. */
export interface SandboxIdentity {
  /** Its path, as the runtime named it. */
  readonly netns: string | null;
  /**
   * Null if it cannot be seen from here. Else its device and inode, after ` via ` those of the place through which it was seen, and
   * after ` in ` those of the directory above: only who sees one of these again can tell from an absent path that the namespace is
   * gone.
   */
  readonly netnsId: string | null;
  /** For `/proc/PID/ns/net`: when the process started, in clock ticks since the boot. */
  readonly processStart: number | null;
  readonly bootId: string | null;
  /** Seconds since 1970. */
  readonly bootedAt: number | null;
  /** Seconds from the boot to this look; null if something else than the kernel of the host may say so. */
  readonly uptime: number | null;
}

/** What is remembered where there is none. */
export const noSandbox: SandboxIdentity = {
  netns: null,
  netnsId: null,
  processStart: null,
  bootId: null,
  bootedAt: null,
  uptime: null,
};
