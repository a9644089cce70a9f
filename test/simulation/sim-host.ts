/**
 * A container host of the simulation: its boots, its network namespaces, what lasts on its disk, and the runs of the daemon on it. A
 * run that is killed leaves what was durable; nothing of it goes on.
 */
import type { Fate, Host, SandboxIdentity } from '../../src/infoblox/host.ts';
import { type Boot, fateOf, isLaterBoot } from '../../src/modes/daemon/host/liveness.ts';
import { type DaemonRun, startRun, type World } from './daemon-run.ts';
import { Disk } from './memory-store.ts';

/** The directory of network namespaces, which is the same through all of a boot. */
const place = '1:2';

/** What a plugin has written down because no daemon answered. */
export interface Note {
  readonly kind: 'DEL' | 'unanswered';
  readonly containerId: string;
  readonly callId: string;
  /** Milliseconds since 1970, by the host's clock. */
  readonly at: number;
}

export class SimHost {
  readonly name: string;
  readonly disk = new Disk();
  readonly notes: Note[] = [];
  readonly #world: World;
  readonly #namespaces = new Map<string, string>();
  #boots = 1;
  #bootedAt: number;
  #setBy = 0;
  #serial = 0;
  #runs = 0;
  #losses = 0;
  #run: DaemonRun | undefined;

  constructor(name: string, world: World) {
    this.name = name;
    this.#world = world;
    this.#bootedAt = world.time.now;
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

  /** A plugin writes down what no daemon has answered. */
  leaveNote(note: Note): void {
    this.notes.push(note);
    this.#run?.takeNotes();
  }

  start(): void {
    this.#runs += 1;
    this.#run ??= startRun(this.#world, this, `${this.name}.${this.#runs}`);
  }

  /** The daemon is gone from one moment to the next. */
  kill(): void {
    this.#run?.end();
    this.#run = undefined;
  }

  /** Everything that runs on it is gone, and nothing says so. */
  reboot(): void {
    this.kill();
    this.#namespaces.clear();
    this.notes.length = 0;
    this.#boots += 1;
    this.#bootedAt = this.#world.time.now;
  }

  /**
   * The state is lost, and what was under way never arrives: who loses the state within a minute of a write without an answer is
   * promised nothing (docs/reliability.md).
   */
  loseState(): void {
    this.kill();
    this.disk.lose();
    this.#losses += 1;
  }

  get hasLostState(): boolean {
    return this.#losses > 0;
  }

  /** @returns what tells whether the state was lost since now */
  isLostSince(): () => boolean {
    const losses = this.#losses;
    return () => this.#losses > losses;
  }

  setClock(milliseconds: number): void {
    this.#setBy += milliseconds;
  }

  /** @returns the path of a new network namespace */
  addNamespace(containerId: string): string {
    this.#serial += 1;
    const path = `/run/netns/${containerId}-${this.#serial}`;
    this.#namespaces.set(path, `4:${this.#serial}`);
    return path;
  }

  removeNamespace(path: string): void {
    this.#namespaces.delete(path);
  }

  /** What a run of the daemon knows of the host. @param client names the run: what it draws follows from that */
  port(client: string): Host {
    let draws = 0;
    return {
      machine: { installation: this.name, hardware: this.name },
      bootId: this.#boot().bootId,
      identify: (path) => ({ netns: path, netnsId: this.#seen(path), processStart: null, ...this.#boot() }),
      fate: (identity, lastUptime) => this.#fate(identity, lastUptime),
      boot: () => this.#boot(),
      hasBootedSince: (before) => isLaterBoot(bootOf(before), bootOf(this.#boot())),
      isOwnAddress: async () => false,
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
    const boot = bootOf({ bootId, bootedAt, uptime: lastUptime });
    return fateOf(
      { id, place, above: undefined, boot, processStart: undefined },
      {
        at: now === undefined ? { kind: 'absent' } : { kind: 'namespace', id: now },
        place,
        boot: bootOf(this.#boot()),
      },
    );
  }
}

function bootOf({ bootId, bootedAt, uptime }: Pick<SandboxIdentity, 'bootId' | 'bootedAt' | 'uptime'>): Boot {
  return { id: bootId ?? undefined, at: bootedAt ?? undefined, uptime: uptime ?? undefined };
}
