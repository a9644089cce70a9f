/**
 * Virtual time: it stands still while code runs, and then jumps to the next event. One queue for all hosts and the grid orders events by
 * time, then by creation.
 */
import type { Clock } from '../../src/infoblox/concurrency/clock.ts';

interface Event {
  readonly at: number;
  /** Orders events at the same time by creation. */
  readonly order: number;
  readonly action: () => void;
  isCancelled: boolean;
}

/** Start of each simulation, milliseconds since 1970. */
export const epoch = 1_700_000_000_000;

export class VirtualTime {
  #now = epoch;
  #order = 0;
  #queue: Event[] = [];

  get now(): number {
    return this.#now;
  }

  /** Schedules `action`. @returns a function that cancels it */
  after(milliseconds: number, action: () => void): () => void {
    const at = this.#now + Math.max(0, milliseconds);
    const event = { at, order: this.#order++, action, isCancelled: false };
    this.#push(event);
    return () => {
      event.isCancelled = true;
    };
  }

  /** Runs the next event and its immediate consequences. @returns false if there is none before `end` */
  async step(end = Number.POSITIVE_INFINITY): Promise<boolean> {
    while (this.#queue[0]?.isCancelled) this.#pop();
    const next = this.#queue[0];
    if (next === undefined || next.at > end) return false;
    this.#pop();
    this.#now = next.at;
    next.action();
    await drained();
    return true;
  }

  /** Runs immediate work that was started outside of an event. */
  settle(): Promise<void> {
    return drained();
  }

  /** Advances time to `end`, before which there is no event. */
  goTo(end: number): void {
    this.#now = Math.max(this.#now, end);
  }

  #push(event: Event): void {
    const queue = this.#queue;
    let child = queue.push(event) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!isBefore(event, at(queue, parent))) break;
      queue[child] = at(queue, parent);
      child = parent;
    }
    queue[child] = event;
  }

  #pop(): void {
    const queue = this.#queue;
    const last = queue.pop();
    if (last === undefined || queue.length === 0) return;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= queue.length) break;
      if (child + 1 < queue.length && isBefore(at(queue, child + 1), at(queue, child))) child += 1;
      if (!isBefore(at(queue, child), last)) break;
      queue[parent] = at(queue, child);
      parent = child;
    }
    queue[parent] = last;
  }
}

/**
 * The clock of one run of a daemon. After the run ends, its waits never resolve.
 * @param setBy milliseconds by which the host's clock was set
 */
export function processClock(time: VirtualTime, setBy: () => number): { readonly clock: Clock; end(): void } {
  const start = time.now + setBy();
  const startedAt = time.now;
  let hasEnded = false;
  const after = (milliseconds: number, action: () => void) => time.after(milliseconds, () => hasEnded || action());
  const clock: Clock = {
    wall: () => time.now + setBy(),
    now: () => start + time.now - startedAt,
    after,
    sleep: (milliseconds, signal, late) =>
      new Promise((resolve, reject) => {
        const leave = () => {
          cancel();
          reject(late ?? signal.reason);
        };
        const cancel = after(milliseconds, () => {
          signal.removeEventListener('abort', leave);
          resolve();
        });
        if (signal.aborted) leave();
        else signal.addEventListener('abort', leave, { once: true });
      }),
    turn: () => new Promise((resolve) => void after(0, resolve)),
  };
  return {
    clock,
    end: () => {
      hasEnded = true;
    },
  };
}

/** Resolves when all promises have settled. */
function drained(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isBefore(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

function at<T>(list: readonly T[], index: number): T {
  return list[index] as T;
}
