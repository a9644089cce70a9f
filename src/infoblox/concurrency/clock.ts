/**
 * The Clock port: all that infoblox/ knows of time. It has two clocks, since the host's can be set: what waits or lasts within
 * one run goes by `now`, what people and other machines read by `wall`. Beside it the ways to wait: deadlines, and pauses that grow.
 */
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';

export interface Clock {
  /** What the host's clock shows: milliseconds since 1970. It may be set at any time. */
  wall(): number;
  /** Milliseconds since 1970, whole: what the host's clock showed at the start, and monotonic time since. Nobody can set it. */
  now(): number;
  /** Calls `action` once, so many milliseconds from now. Keeps no process alive. @returns what cancels it */
  after(milliseconds: number, action: () => void): () => void;
  /** Waits for so many milliseconds. @throws `late`, or else the reason of the signal, if that fires first */
  sleep(milliseconds: number, signal: AbortSignal, late?: Error): Promise<void>;
  /** Lets everybody else have a turn of the event loop. */
  turn(): Promise<void>;
}

/** The clock of this host. Its start is now. */
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

/** Makes a signal that fires, with a TimeoutError, when so many milliseconds are over. */
export function deadline(clock: Pick<Clock, 'after'>, milliseconds: number): AbortSignal {
  const controller = new AbortController();
  clock.after(milliseconds, () => controller.abort(timeOver()));
  return controller.signal;
}

/** Makes a signal that fires so many milliseconds after another one. */
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
  /** Makes the error to reject with when the time was over first; what the work failed with unless given. */
  readonly late?: (failure: unknown) => Error;
}

/**
 * Does work whose signal fires when the time is over, or earlier if another signal does. Cheaper than `AbortSignal.any` with
 * `deadline`, whose timers go on when the work has ended: each request to the grid has several.
 */
export async function withDeadline<T>(
  clock: Pick<Clock, 'after'>,
  { milliseconds, signal, late }: Deadline,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  let isLate = false;
  const cancel = clock.after(milliseconds, () => {
    isLate = !controller.signal.aborted;
    controller.abort(timeOver());
  });
  try {
    return await work(controller.signal);
  } catch (error) {
    throw isLate && late !== undefined ? late(error) : error;
  } finally {
    cancel();
    signal.removeEventListener('abort', abort);
  }
}

/**
 * Waits for a promise, but no longer than a signal allows.
 * @param late makes the error to reject with when the signal fires first
 */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(late());
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Pauses: the first, doubled with each attempt up to the longest, each a part more or less. */
export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
  /** How much more or less, a part of 1; a quarter unless told, so that hosts which failed together do not return together. */
  readonly spread?: number;
}

/**
 * Says how long to wait before an attempt.
 * @param attempt 0 for the first pause
 * @param random gives a number from 0 up to 1
 * @returns milliseconds
 */
export function pauseBefore(attempt: number, { firstMs, maxMs, spread = 0.25 }: Backoff, random: () => number): number {
  return Math.round(Math.min(firstMs * 2 ** attempt, maxMs) * (1 + spread * (2 * random() - 1)));
}

/** Does something every so many milliseconds, one time after another. Resolves when the signal fires, and what was being done is done. */
export async function repeat(
  clock: Pick<Clock, 'sleep'>,
  { intervalMs, signal }: { readonly intervalMs: number; readonly signal: AbortSignal },
  action: () => Promise<void> | void,
): Promise<void> {
  const isOver = () => true;
  while (!(await clock.sleep(intervalMs, signal).catch(isOver))) await action();
}

/** Makes what a long loop awaits after each step, so that others have a turn: `pause` after every `steps`-th, else nothing. */
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
