/** How far a long work has come: a bar on the terminal, after a second; none in a pipe. On stderr, so that stdout is the result. */
import type { WriteStream } from 'node:tty';
import { ago } from '../../duration.ts';
import type { Progress } from '../../operator-protocol.ts';

/** Milliseconds: what is over by then needs no bar. */
const patience = 1_000;
/** Columns of the bar alone. */
const width = 30;
/** Milliseconds between two pictures of the bar. */
const refresh = 250;
const clearLine = '\r\u001b[K';

export interface ProgressBar {
  show(progress: Progress): void;
  /** Removes the bar. */
  end(): void;
}

/**
 * Makes a bar.
 * @param what is being done: `releasing`
 * @param stream where it is shown, if that is a terminal
 */
export function progressBar(
  what: string,
  stream: Pick<WriteStream, 'write' | 'isTTY'> = process.stderr,
  now = Date.now,
): ProgressBar {
  const began = now();
  let isShown = false;
  return {
    show({ done, total }) {
      if (!stream.isTTY || now() - began < patience) return;
      isShown = true;
      stream.write(`${clearLine}${barText(what, { done, total, passed: now() - began })}`);
    },
    end() {
      if (isShown) stream.write(clearLine);
      isShown = false;
    },
  };
}

/** Does something long and shows how far it has come. @param what is being done: `checking` */
export async function showingProgress<T>(
  what: string,
  work: (onProgress: (progress: Progress) => void) => Promise<T>,
): Promise<T> {
  const bar = progressBar(what);
  let latest: Progress | undefined;
  // A step may take longer than all others.
  const timer = setInterval(() => latest && bar.show(latest), refresh);
  try {
    return await work((progress) => {
      latest = progress;
    });
  } finally {
    clearInterval(timer);
    bar.end();
  }
}

/** Writes the bar. @param passed milliseconds since the beginning */
export function barText(
  what: string,
  { done, total, passed }: { readonly done: number; readonly total: number; readonly passed: number },
): string {
  const part = total === 0 ? 1 : Math.min(done / total, 1);
  const full = Math.round(part * width);
  const left = part > 0 && part < 1 ? `, about ${ago(0, (passed / part) * (1 - part))} left` : '';
  return `${what} [${'#'.repeat(full)}${' '.repeat(width - full)}] ${done} of ${total}${left}`;
}
