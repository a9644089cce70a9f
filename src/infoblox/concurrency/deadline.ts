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
 * `AbortSignal.timeout`, whose timers go on when the work has ended: each request to the grid has several.
 */
export async function withDeadline<T>(
  { milliseconds, signal, late }: Deadline,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const abort = () => controller.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = !controller.signal.aborted;
    controller.abort(new DOMException('the time is over', 'TimeoutError'));
  }, milliseconds);
  try {
    return await work(controller.signal);
  } catch (error) {
    throw isLate && late !== undefined ? late(error) : error;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}
