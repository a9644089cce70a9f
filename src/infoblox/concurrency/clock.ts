/**
 * The Clock port: the only source of time in infoblox/. It has two clocks, since the host's can be set: waits and
 * durations within one run use `now`, times for people and other machines use `wall`. Also here: deadlines, and growing
 * pauses.
 */
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';

export interface Clock {
  /** Returns the host's clock in milliseconds since 1970. It can be set at any time. */
  wall(): number;
  /** Returns whole milliseconds since 1970: the host's clock at the start plus monotonic time. It cannot be set. */
  now(): number;
  /**
   * Calls `action` once, after some milliseconds. Does not keep the process alive.
   * @returns a function that cancels it
   */
  after(milliseconds: number, action: () => void): () => void;
  /**
   * Waits for some milliseconds.
   * @throws `late`, or else the reason of the signal, if that fires first
   */
  sleep(milliseconds: number, signal: AbortSignal, late?: Error): Promise<void>;
  /** Yields one turn of the event loop. */
  turn(): Promise<void>;
}

/** Makes the clock of this host. Its start is now. */
export function hostClock(): Clock {
  const start = Date.now() - performance.now();
  return {
    wall: () => Date.now(),
    now: () => Math.round(start + performance.now()),
    after(milliseconds, action) {
      const timer = setTimeout(action, milliseconds).unref();
      return () => clearTimeout(timer);
    },
    sleep: (milliseconds, signal, late) =>
      delay(milliseconds, undefined, { signal }).catch(() => {
        throw late ?? signal.reason;
      }),
    turn: () => nextTurn(),
  };
}

/** Makes a signal that fires with a TimeoutError after some milliseconds. */
export function deadline(clock: Pick<Clock, 'after'>, milliseconds: number): AbortSignal {
  const controller = new AbortController();
  clock.after(milliseconds, () => controller.abort(timeOver()));
  return controller.signal;
}

/** Makes a signal that fires some milliseconds after another one. */
export function after(clock: Pick<Clock, 'after'>, signal: AbortSignal, milliseconds: number): AbortSignal {
  const controller = new AbortController();
  const wait = () => void clock.after(milliseconds, () => controller.abort(signal.reason));
  if (signal.aborted) wait();
  else signal.addEventListener('abort', wait, { once: true });
  return controller.signal;
}

/** How long work may take. */
interface Deadline {
  readonly milliseconds: number;
  /** Ends the work earlier. */
  readonly signal: AbortSignal;
}

/**
 * Does work whose signal fires after a time, or earlier if another signal does. Cheaper than `AbortSignal.any` with
 * `deadline`, whose timers outlive the work: each request to the grid has several.
 */
export async function withDeadline<T>(
  clock: Pick<Clock, 'after'>,
  { milliseconds, signal }: Deadline,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  const cancel = clock.after(milliseconds, () => controller.abort(timeOver()));
  try {
    return await work(controller.signal);
  } finally {
    cancel();
    signal.removeEventListener('abort', abort);
  }
}

/**
 * Waits for a promise until a signal fires.
 * @param late makes the error if the signal fires first
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(late());
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Growing pauses: the first, doubled with each attempt up to the longest, with a random spread. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
  /** The spread as a fraction; default a quarter, so that hosts which failed together do not return together. */
  readonly spread?: number;
}

/**
 * Computes the pause before an attempt.
 * @param attempt 0 for the first pause
 * @param random returns a number from 0 up to 1
 * @returns milliseconds
 */
export function pauseBefore(attempt: number, { firstMs, maxMs, spread = 0.25 }: Backoff, random: () => number): number {
  return Math.round(Math.min(firstMs * 2 ** attempt, maxMs) * (1 + spread * (2 * random() - 1)));
}

/** Repeats an action at an interval. Resolves when the signal has fired and the current action has ended. */
export async function repeat(
  clock: Pick<Clock, 'sleep'>,
  { intervalMs, signal }: { readonly intervalMs: number; readonly signal: AbortSignal },
  action: () => Promise<void> | void,
): Promise<void> {
  const isOver = () => true;
  while (!(await clock.sleep(intervalMs, signal).catch(isOver))) await action();
}

/**
 * Makes a function for a long loop to await after each step, so that others have a turn: it calls `pause` after every
 * `steps`-th.
 */
export function every(steps: number, pause: () => Promise<void>): () => Promise<void> | undefined {
  let count = 0;
  return () => {
    count += 1;
    return count % steps === 0 ? pause() : undefined;
  };
}

function timeOver(): DOMException {
  return new DOMException('the time is over', 'TimeoutError');
}
