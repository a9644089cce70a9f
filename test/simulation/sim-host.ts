/**
 * A simulated container host: its boots, network namespaces, disk, and runs of the daemon. A killed run leaves only its durable state.
 */
import type { Fate, Host, SandboxIdentity } from '../../src/infoblox/host.ts';
import { fateOf, isLaterBoot } from '../../src/modes/daemon/host/liveness.ts';
import { type DaemonRun, startRun, type World } from './daemon-run.ts';
import { Disk } from './memory-store.ts';

/** The directory of network namespaces, the same during a boot. */
const place = '1:2';

/** A note of a plugin that got no answer. */
export interface Note {
  readonly kind: 'DEL' | 'unanswered';
  readonly containerId: string;
  readonly callId: string;
  /** Milliseconds since 1970, by the host's clock. */
  readonly at: number;
}

export class SimHost {
  /** Its names, the present one last. */
  readonly names: string[];
  readonly disk = new Disk();
  readonly notes: Note[] = [];
  readonly #backup = new Disk();
  /** Its own addresses, unknown to the grid. */
  readonly ownAddresses = new Set<string>();
  /** Name of the machine, independent of the host's name; its runs are named after it. */
  readonly machine: string;
  /** ID of the installed system; it changes with a new installation. */
  installation: string;
  readonly #world: World;
  readonly #namespaces = new Map<string, string>();
  #boots = 1;
  #bootedAt: number;
  #setBy = 0;
  #serial = 0;
  #runs = 0;
  #losses = 0;
  #isGone = false;
  #run: DaemonRun | undefined;

  constructor(name: string, world: World) {
    this.names = [name];
    this.machine = name;
    this.installation = name;
    this.#world = world;
    this.#bootedAt = world.time.now;
  }

  get name(): string {
    return this.names.at(-1) ?? '';
  }

  /** Whether it is lost for good. */
  get isGone(): boolean {
    return this.#isGone;
  }

  get run(): DaemonRun | undefined {
    return this.#run;
  }

  get wall(): number {
    return this.#world.time.now + this.#setBy;
  }

  get setBy(): number {
    return this.#setBy;
  }

  /** Writes a note of a plugin. */
  leaveNote(note: Note): void {
    this.notes.push(note);
    this.#run?.takeNotes();
  }

  start(): void {
    if (this.#isGone) return;
    this.#runs += 1;
    this.#run ??= startRun(this.#world, this, `${this.machine}.${this.#runs}`);
  }

  /** Kills the daemon. */
  kill(): void {
    this.#run?.end();
    this.#run = undefined;
  }

  restart(): void {
    this.kill();
    this.start();
  }

  /** Renames the host at the next start of the daemon. */
  rename(name: string): void {
    this.names.push(name);
  }

  /** Loses the host for good. */
  leave(): void {
    this.reboot();
    this.#isGone = true;
  }

  /** Reboots the host without a DEL for its containers. */
  reboot(): void {
    this.kill();
    this.#namespaces.clear();
    this.notes.length = 0;
    this.#boots += 1;
    this.#bootedAt = this.#world.time.now;
  }

  /**
   * Loses the state, and drops requests in flight: nothing is promised if the state is lost within a minute of a write without an answer
   * (docs/reliability.md).
   */
  loseState(): void {
    this.kill();
    this.disk.lose();
    this.#losses += 1;
  }

  /** Copies the state, as a backup does. */
  backUp(): void {
    this.#backup.become(this.disk);
  }

  /** Reboots the host, with the backup in place of the state. @returns false if there is no backup, or none that would do */
  restoreBackup(): boolean {
    const { facts } = this.#backup;
    // A GC searches only the families that the state knows.
    if (facts.size === 0 || facts.get('families') !== this.disk.facts.get('families')) return false;
    this.reboot();
    this.disk.become(this.#backup);
    return true;
  }

  get hasLostState(): boolean {
    return this.#losses > 0;
  }

  /** @returns a function that tells whether the state was lost since now */
  isLostSince(): () => boolean {
    const losses = this.#losses;
    return () => this.#losses > losses;
  }

  setClock(milliseconds: number): void {
    this.#setBy += milliseconds;
  }

  /** Creates a network namespace. @returns its path */
  addNamespace(containerId: string): string {
    this.#serial += 1;
    const path = `/run/netns/${containerId}-${this.#serial}`;
    this.#namespaces.set(path, `4:${this.#serial}`);
    return path;
  }

  removeNamespace(path: string): void {
    this.#namespaces.delete(path);
  }

  /** Hides an existing network namespace. @returns a function that shows it again */
  hideNamespace(path: string): () => void {
    const id = this.#namespaces.get(path);
    this.#namespaces.delete(path);
    return () => void (id !== undefined && this.#namespaces.set(path, id));
  }

  /** Makes the port to this host for a run of the daemon. @param client names the run, and determines its random numbers */
  port(client: string): Host {
    let draws = 0;
    return {
      machine: { installation: this.installation, hardware: this.machine },
      identify: (path) => ({ netns: path, netnsId: this.#seen(path), processStart: null, ...this.#boot() }),
      bootId: this.#boot().bootId,
      fate: (identity, lastUptime) => this.#fate(identity, lastUptime),
      boot: () => this.#boot(),
      hasBootedSince: (before) => isLaterBoot(before, this.#boot()),
      isOwnAddress: async (address) => this.ownAddresses.has(address),
      random: () => {
        draws += 1;
        return this.#world.chance(client, 'random', draws);
      },
    };
  }

  #boot() {
    return {
      bootId: `boot-${this.#boots}`,
      bootedAt: Math.round((this.#bootedAt + this.#setBy) / 1_000),
      uptime: Math.floor((this.#world.time.now - this.#bootedAt) / 1_000),
    };
  }

  #seen(path: string): string | null {
    const id = this.#namespaces.get(path);
    return id === undefined ? null : `${id} via ${place}`;
  }

  #fate({ netns, netnsId, bootId, bootedAt }: SandboxIdentity, lastUptime: number | null): Fate {
    if (netns === null || netnsId === null) return 'unknown';
    const now = this.#namespaces.get(netns);
    const [id = ''] = netnsId.split(' via ');
    const boot = { bootId, bootedAt, uptime: lastUptime };
    return fateOf(
      { id, place, above: undefined, boot, processStart: null },
      {
        at: now === undefined ? { kind: 'absent' } : { kind: 'namespace', id: now },
        place,
        boot: this.#boot(),
      },
    );
  }
}
