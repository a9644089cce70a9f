/**
 * A simulated container runtime: starts, checks and stops containers, repeats and forgets calls, dies and collects garbage, in any order.
 * The ledger records its answers.
 */
import type { Interval } from '../../src/infoblox/address.ts';
import { GridError, hasReason } from '../../src/infoblox/errors.ts';
import type { DaemonRun } from './daemon-run.ts';
import { type Ledger, placeOf } from './ledger.ts';
import type { SimHost } from './sim-host.ts';
import type { VirtualTime } from './virtual-time.ts';

/** The plugin's timeout for ADD in milliseconds. */
const addTimeoutMs = 25_000;
const retryMs = 1_000;

interface Container {
  readonly id: string;
  readonly netns: string;
  readonly requested: string | undefined;
  state: 'starting' | 'running' | 'stopping';
}

export interface RuntimeDeps {
  readonly time: VirtualTime;
  readonly ledger: Ledger;
  /** Addresses of each container. */
  readonly sets: number;
  /** Cool-down in milliseconds. */
  readonly cooldownMs: number;
  /** The part of the network that the configuration names now. */
  readonly range: () => Interval | undefined;
}

/** What happens to an ADD after it was sent. */
export type AddWay = 'plain' | 'twice' | 'hangs up' | 'deleted meanwhile' | 'unread';

/** How a container is started. */
export interface Start {
  /** Whether it has the ID of the previous one, as with some runtimes. */
  readonly again?: boolean;
  readonly way?: AddWay;
  /** The requested address. */
  readonly requested?: string | undefined;
}

export class Runtime {
  readonly #deps: RuntimeDeps;
  readonly #host: SimHost;
  /** Containers by slot: a place for one container after another. */
  readonly #containers = new Map<number, Container>();
  readonly #numbers = new Map<number, number>();
  readonly #id: string;
  #calls = 0;
  /** Operations in progress. */
  busy = 0;
  /** Time of the last ADD. */
  addedAt = Number.NEGATIVE_INFINITY;
  /** The error of the last ADD that failed. */
  lastFailure: unknown;

  constructor(deps: RuntimeDeps, host: SimHost) {
    this.#deps = deps;
    this.#host = host;
    this.#id = host.name;
  }

  /** IDs of all containers. */
  get ids(): string[] {
    return [...this.#containers.values()].map(({ id }) => id);
  }

  /** All addresses of all containers, as the ledger names them. */
  get places(): string[] {
    return this.ids.flatMap((id) => this.#placesOf(id));
  }

  /** Returns the ID of the present or last container of a slot. */
  idOf(slot: number): string {
    return `${this.#id}-${slot}-${this.#numbers.get(slot) ?? 0}`;
  }

  /** Names an address of the container of a slot, as the ledger does: in every other slot the last one. */
  placeIn(slot: number): string {
    return placeOf(this.idOf(slot), (slot % 2) * (this.#deps.sets - 1));
  }

  /** Starts a container unless its slot has one. */
  start(slot: number, { again = false, way = 'plain', requested }: Start = {}): void {
    if (this.#containers.has(slot)) return;
    this.#numbers.set(slot, (this.#numbers.get(slot) ?? 0) + (again ? 0 : 1));
    const id = this.idOf(slot);
    const netns = this.#host.addNamespace(id);
    const container: Container = { id, netns, requested, state: 'starting' };
    this.#containers.set(slot, container);
    void this.#operation(async () => {
      if (way === 'deleted meanwhile') {
        const add = this.#add(container);
        await this.#sleep(15);
        await this.#end(slot, container);
        await add;
        return;
      }
      const [answered] = await Promise.all([
        this.#add(container, { limitMs: way === 'hangs up' ? 30 : addTimeoutMs, isRead: way !== 'unread' }),
        ...(way === 'twice' ? [this.#add(container)] : []),
      ]);
      const isLive = this.#deps.ledger.live.has(id);
      if (this.#containers.get(slot) !== container) return;
      if (answered || isLive) container.state = 'running';
      else await this.#end(slot, container);
    });
  }

  /** Repeats the ADD of a running container. */
  addAgain(slot: number): void {
    const container = this.#running(slot);
    if (container !== undefined) void this.#operation(() => this.#add(container));
  }

  check(slot: number): void {
    const container = this.#running(slot);
    if (container === undefined) return;
    void this.#operation(async () => {
      const { ledger } = this.#deps;
      const told = this.#placesOf(container.id).flatMap((place) => ledger.live.get(place)?.address ?? []);
      const isExcused = () => this.#placesOf(container.id).some((place) => ledger.excused.includes(place));
      if (told.length === 0 || isExcused()) return;
      await this.#call((run) => run.check(container.id, told)).catch((error: unknown) => {
        if (!(error instanceof GridError)) throw error;
        const isLost = hasReason(error, 'reservation-lost') && !isExcused();
        if (isLost && this.#running(slot) === container) ledger.saidLost(container.id, error.message);
      });
    });
  }

  stop(slot: number): void {
    const container = this.#running(slot);
    if (container !== undefined) void this.#operation(() => this.#end(slot, container));
  }

  /** Ends a container without a DEL: the reaper or a GC must find it. */
  die(slot: number): void {
    const container = this.#running(slot);
    if (container === undefined) return;
    this.#left(container.id);
    this.#host.removeNamespace(container.netns);
    this.#containers.delete(slot);
  }

  /** Hides the namespace of a running container. @returns a function that shows it again */
  hide(slot: number): () => void {
    const container = this.#running(slot);
    return container === undefined ? () => {} : this.#host.hideNamespace(container.netns);
  }

  /** Ends all containers with the host. */
  lostAll(): void {
    for (const id of this.ids) this.#left(id);
    this.#containers.clear();
  }

  collect(): void {
    const valid = this.ids;
    void this.#operation(() => this.#call((run) => run.gc(valid)).catch(ignore));
  }

  /** Runs the operator's command `gc`. */
  gcByHand(): void {
    void this.#operation(() => this.#call((run) => run.gcByHand()).catch(ignore));
  }

  /** Runs the operator's command `gc --host` for a lost host. */
  gcOfHost(node: string): void {
    this.#deps.ledger.endsRest();
    void this.#operation(() => this.#call((run) => run.gcOfHost(node)).catch(ignore));
  }

  /**
   * Runs the operator's command `release` for a container: live, dead or forgotten.
   * @param options `evenIfAlive`: also if it is alive, for example because it hangs; otherwise a live one keeps its address
   */
  release(slot: number, options: { readonly evenIfAlive: boolean }): void {
    const { ledger } = this.#deps;
    const id = this.idOf(slot);
    // The sandbox of an imported lease is unknown, so the command is obeyed.
    if (!options.evenIfAlive && this.#host.hasLostState) return;
    const isLive = ledger.live.has(id);
    const isGivenUp = isLive && options.evenIfAlive;
    if (isGivenUp) {
      this.#left(id);
      this.#containers.delete(slot);
    }
    void this.#operation(async () => {
      for (;;) {
        const released = await this.#call((run) => run.release(id, options)).catch(ignore);
        const isDone = released !== undefined && released !== 'lost';
        if (isDone && released > 0 && isLive && !isGivenUp && ledger.live.has(id)) {
          ledger.saidImpossible(`${id} lives, and the command "release" has released it`);
        }
        // Retry the release until it is done, the container is started again, or its host is lost.
        if (isDone || !isGivenUp || this.#host.isGone || this.ids.includes(id)) return;
        await this.#sleep(retryMs);
      }
    });
  }

  /** Calls DEL for a container that was started under the original driver. */
  stopOriginal(id: string, onDone: () => void): void {
    void this.#operation(async () => {
      await this.#del(id);
      onDone();
    });
  }

  /** Ends all containers, or those with one of some addresses as named by the ledger. */
  stopAll(places: readonly string[] = this.ids): void {
    for (const [slot, { id }] of this.#containers) {
      if (this.#placesOf(id).some((place) => places.includes(place))) this.stop(slot);
    }
  }

  async #operation(run: () => Promise<unknown>): Promise<void> {
    this.busy += 1;
    try {
      await run();
    } finally {
      this.busy -= 1;
    }
  }

  /** @returns `lost` if no daemon answered */
  async #call<T>(call: (run: DaemonRun) => Promise<T>): Promise<T | 'lost'> {
    const { run } = this.#host;
    return run === undefined ? 'lost' : Promise.race([call(run), run.lost.then(() => 'lost' as const)]);
  }

  /**
   * Calls ADD.
   * @param options `limitMs`: timeout of the caller; `isRead`: whether the caller lives to read the answer
   * @returns whether it got an address
   */
  async #add(
    { id, netns, requested }: Container,
    { limitMs = addTimeoutMs, isRead = true }: { readonly limitMs?: number; readonly isRead?: boolean } = {},
  ): Promise<boolean> {
    const { time, ledger } = this.#deps;
    const { run } = this.#host;
    if (run === undefined) return false;
    this.addedAt = time.now;
    const range = this.#deps.range();
    // A request for an address ends its cool-down, and gives up the container's former one, even if the ADD fails.
    if (requested !== undefined) {
      ledger.endsRest(requested);
      for (const place of this.#placesOf(id)) ledger.givesUpRest(place);
    }
    this.#calls += 1;
    const callId = `${id}.${this.#calls}`;
    const gone = new AbortController();
    const cancel = time.after(limitMs, () => gone.abort(new DOMException('gone', 'AbortError')));
    const call = { containerId: id, netns, callId, requested };
    const answer = await this.#call(() => run.add(call, gone.signal)).catch((error: unknown) => {
      this.lastFailure = error;
    });
    cancel();
    const isWanted = [...this.#containers.values()].some((one) => one.netns === netns && one.state !== 'stopping');
    if (answer === 'lost' || answer === undefined || gone.signal.aborted || !isWanted || !isRead) {
      if (answer !== 'lost' && answer !== undefined) answer.undelivered();
      // The plugin leaves a note after a call without an answer.
      if (answer === 'lost') this.#host.leaveNote({ kind: 'unanswered', containerId: id, callId, at: this.#host.wall });
      return false;
    }
    const { names, hasLostState, ownAddresses } = this.#host;
    for (const [set, place] of this.#placesOf(id).entries()) {
      const given = answer.given[set];
      if (given === undefined) ledger.saidImpossible(`${id} was told ${answer.given.length} addresses`);
      else
        ledger.told(place, given, {
          requested: set === 0 ? requested : undefined,
          range,
          names,
          ownAddresses,
          hasLostState,
        });
    }
    return true;
  }

  async #end(slot: number, container: Container): Promise<void> {
    container.state = 'stopping';
    const told = new Map(this.#placesOf(container.id).map((place) => [place, this.#deps.ledger.live.get(place)]));
    this.#left(container.id);
    const isAnswered = await this.#del(container.id);
    const { time, ledger, cooldownMs } = this.#deps;
    for (const [place, its] of told) {
      // A lost state knows no cool-down, so addresses are released at once.
      if (isAnswered && its !== undefined && !this.#host.hasLostState) ledger.rests(place, its, time.now + cooldownMs);
    }
    this.#host.removeNamespace(container.netns);
    if (this.#containers.get(slot) === container) this.#containers.delete(slot);
  }

  /**
   * Calls DEL until it succeeds, as runtimes do. The plugin leaves a note if no daemon answers, or its state is not writable.
   * @returns whether a daemon answered
   */
  async #del(containerId: string): Promise<boolean> {
    for (;;) {
      const done = await this.#call((run) => run.del(containerId)).catch((error: unknown) =>
        hasReason(error, 'state') ? 'lost' : 'failed',
      );
      if (done === 'lost') {
        const callId = `${containerId}.del`;
        this.#host.leaveNote({ kind: 'DEL', containerId, callId, at: this.#host.wall });
      }
      if (done !== 'failed') return done !== 'lost';
      await this.#sleep(retryMs);
    }
  }

  /** Removes it from the ledger. */
  #left(id: string): void {
    for (const place of this.#placesOf(id)) this.#deps.ledger.left(place);
  }

  /** Names the addresses of a container as the ledger does. */
  #placesOf(id: string): string[] {
    return Array.from({ length: this.#deps.sets }, (_, set) => placeOf(id, set));
  }

  #running(slot: number): Container | undefined {
    const container = this.#containers.get(slot);
    return container?.state === 'running' ? container : undefined;
  }

  #sleep(milliseconds: number): Promise<void> {
    return new Promise((resolve) => void this.#deps.time.after(milliseconds, resolve));
  }
}

function ignore(): undefined {
  return undefined;
}
