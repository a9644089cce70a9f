/**
 * What commands say to whoever sits at the terminal, on stderr, so that stdout is the result: how far a long work has come, questions,
 * what is wrong.
 */
import { createInterface } from 'node:readline';
import type { WriteStream } from 'node:tty';
import { abortable } from '../../../infoblox/concurrency/clock.ts';
import type { Progress } from '../../operator-protocol.ts';
import { ago } from '../../quantity.ts';
import { columnsOf, printable, shortened } from '../../terminal-text.ts';
import { CommandError } from '../command.ts';

/** Milliseconds: what is over by then needs no bar. */
const firstShownAfterMs = 1_000;
/** Columns of the bar alone, where there is room, and where it is left out rather. */
const [maxBar, minBar] = [30, 5];
/** Milliseconds between two pictures of it. */
const refreshIntervalMs = 250;
/** Columns at the end of the line: for the cursor, and for `^C`, which a terminal writes there itself. */
const spare = 3;
const clearLine = '\r\u001b[K';

/** A line on the terminal, after a second; none in a pipe. */
interface ProgressBar {
  /** @param progress undefined: it is not known how much there is to do */
  show(progress: Progress | undefined): void;
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
  stream: Pick<WriteStream, 'write' | 'isTTY' | 'columns'> = process.stderr,
  now = Date.now,
): ProgressBar {
  const began = now();
  let isShown = false;
  return {
    show(progress) {
      const passed = now() - began;
      if (!stream.isTTY || passed < firstShownAfterMs) return;
      isShown = true;
      const text = progressText(what, { progress, passed, columns: columnsOf(stream) - spare });
      stream.write(`${clearLine}${text}`);
    },
    end() {
      if (isShown) stream.write(clearLine);
      isShown = false;
    },
  };
}

/**
 * Does something long and shows how far it has come, or that it goes on.
 * @param what is being done: `checking`
 * @param work told of an interruption by its signal
 * @throws CommandError as soon as somebody interrupts it, and what `work` throws
 */
export async function showingProgress<T>(
  what: string,
  work: (onProgress: (progress: Progress) => void, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const bar = progressBar(what);
  let latest: Progress | undefined;
  // A step may take longer than all others.
  const timer = setInterval(() => bar.show(latest), refreshIntervalMs);
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    const done = work((progress) => {
      latest = progress;
    }, interrupt.signal);
    return await abortable(done, interrupt.signal, () => new CommandError('interrupted'));
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    clearInterval(timer);
    bar.end();
  }
}

/**
 * Writes the line.
 * @param at.passed milliseconds since the beginning
 * @param at.columns that it may take
 */
export function progressText(
  what: string,
  at: { readonly progress: Progress | undefined; readonly passed: number; readonly columns: number },
): string {
  const { progress, passed, columns } = at;
  if (progress === undefined) return shortened(`${what}, for ${ago(0, passed)}`, columns);
  const { done, total } = progress;
  const part = total === 0 ? 1 : Math.min(done / total, 1);
  const count = `${done} of ${total}`;
  const left = part > 0 && part < 1 ? `, about ${ago(0, (passed / part) * (1 - part))} left` : '';
  const room = columns - `${what} [] ${count}${left}`.length;
  if (room < minBar) return shortened(`${what} ${count}`, columns);
  const width = Math.min(room, maxBar);
  const full = Math.round(part * width);
  return `${what} [${'#'.repeat(full)}${' '.repeat(width - full)}] ${count}${left}`;
}

/** Tells whether somebody can be asked. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Asks. @returns the answer without space around it; empty if there is none: Ctrl-C, Ctrl-D */
export function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise<string>((resolve) => {
    terminal.question(question, (answer) => resolve(answer.trim()));
    terminal.once('close', () => resolve(''));
  }).finally(() => terminal.close());
}

/**
 * Writes what is wrong and what to do about it on one line: `cannot reach grid-1: refused. Check --grid-host.`
 * @param hint a clause or sentences; undefined where nobody knows
 */
export function whatToDo(message: string, hint: string | undefined): string {
  if (hint === undefined) return printable(message);
  const stop = /[.?!]$/.test(message) ? '' : '.';
  return printable(
    `${message}${stop} ${hint.charAt(0).toUpperCase()}${hint.slice(1)}${/[.?!]$/.test(hint) ? '' : '.'}`,
  );
}
