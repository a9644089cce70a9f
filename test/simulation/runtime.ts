/**
 * A container runtime of the simulation: it starts, checks and stops containers, repeats and forgets calls, dies and collects garbage,
 * in every order, as runtimes do. What it is answered goes into the ledger.
 */

import { GridError } from '../../src/infoblox/errors.ts';
import { attachmentMark, marksOfSets } from '../../src/infoblox/mark.ts';
import { cluster, network } from './daemon-run.ts';
import type { Ledger } from './ledger.ts';
import type { SimHost } from './sim-host.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Milliseconds: those of the plugin's ADD. */
const addTimeoutMs = 25_000;
const retryMs = 1_000;

interface Container {
  readonly id: string;
  readonly netns: string;
  /** Of its addresses; the first is that of the attachment. */
  readonly marks: readonly [string, ...string[]];
  state: 'starting' | 'running' | 'stopping';
}

export interface RuntimeDeps {
  readonly time: VirtualTime;
  readonly ledger: Ledger;
  /** Addresses of each container. */
  readonly sets: number;
}

/** How an ADD goes on after it was sent. */
export type AddWay = 'plain' | 'twice' | 'hangs up' | 'deleted meanwhile';

export class Runtime {
  readonly #deps: RuntimeDeps;
  readonly #host: SimHost;
  /** By slot: a place for one container after another. */
  readonly #containers = new Map<number, Container>();
  readonly #names = new Map<number, number>();
  #calls = 0;
  /** Operations under way. */
  busy = 0;

  constructor(deps: RuntimeDeps, host: SimHost) {
    this.#deps = deps;
    this.#host = host;
  }

  get marks(): string[] {
    return [...this.#containers.values()].flatMap(({ marks }) => marks);
  }

  /** Starts a container, unless its slot has one. @param again it has the ID of the one before, as with some runtimes */
  start(slot: number, { again, way }: { readonly again: boolean; readonly way: AddWay }): void {
    if (this.#containers.has(slot)) return;
    const number = (this.#names.get(slot) ?? 0) + (again ? 0 : 1);
    this.#names.set(slot, number);
    const id = `${this.#host.name}-${slot}-${number}`;
    const netns = this.#host.addNamespace(id);
    const origin = { cluster, node: this.#host.name };
    const attachment = { network, containerId: id, ifName: 'eth0' };
    const marks = marksOfSets(attachmentMark(origin, attachment), attachment, this.#deps.sets);
    const container: Container = { id, netns, marks, state: 'starting' };
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
        this.#add(container, way === 'hangs up' ? 30 : addTimeoutMs),
        ...(way === 'twice' ? [this.#add(container)] : []),
      ]);
      const isLive = this.#deps.ledger.live.has(marks[0]);
      if (this.#containers.get(slot) !== container) return;
      if (answered || isLive) container.state = 'running';
      else await this.#end(slot, container);
    });
  }

  /** The same ADD once more, of a container that runs. */
  addAgain(slot: number): void {
    const container = this.#running(slot);
    if (container !== undefined) void this.#operation(() => this.#add(container));
  }

  check(slot: number): void {
    const container = this.#running(slot);
    if (container === undefined) return;
    void this.#operation(async () => {
      const told = container.marks.flatMap((mark) => this.#deps.ledger.live.get(mark)?.address ?? []);
      if (told.length === 0) return;
      const { run } = this.#host;
      const check = run?.check(container.id, told).catch((error: unknown) => {
        const isLost = error instanceof GridError && error.reason === 'reservation-lost';
        if (isLost && this.#running(slot) === container) this.#saidLost(container, error.message);
      });
      await Promise.race([check, run?.lost]);
    });
  }

  stop(slot: number): void {
    const container = this.#running(slot);
    if (container !== undefined) void this.#operation(() => this.#end(slot, container));
  }

  /** It is gone without a DEL: the reaper or a GC has to find it. */
  die(slot: number): void {
    const container = this.#running(slot);
    if (container === undefined) return;
    this.#left(container);
    this.#host.removeNamespace(container.netns);
    this.#containers.delete(slot);
  }

  /** All of them are gone, with the host. */
  lostAll(): void {
    for (const container of this.#containers.values()) this.#left(container);
    this.#containers.clear();
  }

  collect(): void {
    const valid = [...this.#containers.values()].map(({ id }) => id);
    const { run } = this.#host;
    if (run !== undefined) void this.#operation(() => Promise.race([run.gc(valid).catch(ignore), run.lost]));
  }

  /** Ends all containers, or those of some marks. */
  stopAll(marks: readonly string[] = this.marks): void {
    for (const [slot, container] of this.#containers) {
      if (container.marks.some((mark) => marks.includes(mark))) this.stop(slot);
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

  /** @returns whether it was answered with an address */
  async #add({ id, netns, marks }: Container, limit = addTimeoutMs): Promise<boolean> {
    const { time, ledger } = this.#deps;
    this.#calls += 1;
    const callId = `${id}.${this.#calls}`;
    const { run } = this.#host;
    if (run === undefined) return false;
    const gone = new AbortController();
    const cancel = time.after(limit, () => gone.abort(new DOMException('gone', 'AbortError')));
    const lost = run.lost.then(() => 'lost' as const);
    const call = run.add({ containerId: id, netns, callId }, gone.signal).catch(ignore);
    const answer = await Promise.race([call, lost]);
    cancel();
    const isWanted = [...this.#containers.values()].some((one) => one.netns === netns && one.state !== 'stopping');
    if (answer === 'lost' || answer === undefined || gone.signal.aborted || !isWanted) {
      if (answer !== 'lost' && answer !== undefined) answer.undelivered();
      // The plugin of a call that got no answer leaves a note.
      if (answer === 'lost') this.#host.leaveNote({ kind: 'unanswered', containerId: id, callId, at: this.#host.wall });
      return false;
    }
    const { view, addresses } = answer;
    for (const [set, mark] of marks.entries()) ledger.told(mark, { view, address: addresses[set] ?? '' }, this.#host);
    answer.delivered();
    return true;
  }

  /** DEL until it succeeds, as runtimes do. */
  async #end(slot: number, container: Container): Promise<void> {
    container.state = 'stopping';
    this.#left(container);
    for (;;) {
      const { run } = this.#host;
      const done =
        run === undefined
          ? 'lost'
          : await Promise.race([
              run.del(container.id).then(
                () => 'done',
                () => 'failed',
              ),
              run.lost,
            ]);
      if (done === 'lost') {
        const callId = `${container.id}.del`;
        this.#host.leaveNote({ kind: 'DEL', containerId: container.id, callId, at: this.#host.wall });
      }
      if (done !== 'failed') break;
      await this.#sleep(retryMs);
    }
    this.#host.removeNamespace(container.netns);
    if (this.#containers.get(slot) === container) this.#containers.delete(slot);
  }

  /** It claims nothing any more. */
  #left({ marks }: Container): void {
    for (const mark of marks) this.#deps.ledger.left(mark);
  }

  /** CHECK says that it has lost a reservation: one of those of which nothing was excused. */
  #saidLost({ marks }: Container, why: string): void {
    const { ledger } = this.#deps;
    if (!marks.some((mark) => ledger.excused.includes(mark))) ledger.saidLost(marks[0], why);
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
