/**
 * Writes progress, questions and errors to the terminal on stderr; stdout has only results.
 */
import { createInterface } from 'node:readline';
import type { WriteStream } from 'node:tty';
import { abortable } from '../../../infoblox/concurrency/clock.ts';
import type { Progress } from '../../operator-protocol.ts';
import { ago } from '../../quantity.ts';
import { columnsOf, printable, shortened } from '../../terminal-text.ts';
import { CommandError } from '../command-error.ts';

/** Milliseconds before the bar appears. */
const firstShownAfterMs = 1_000;
/** Columns of the bar. */
const barWidth = 30;
/** Milliseconds between two updates of the bar. */
const refreshIntervalMs = 250;
/** Columns at the end of the line: for the cursor, and for `^C`, which a terminal writes there itself. */
const spare = 3;
const clearLine = '\r\u001b[K';

/** A line on the terminal, after a second; none in a pipe. */
interface ProgressBar {
  /** Draws the bar. @param progress undefined: unknown */
  show(progress: Progress | undefined): void;
  /** Removes the bar. */
  end(): void;
}

/**
 * Makes a progress bar.
 * @param what the work: `releasing`
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
 * Runs a long work and shows its progress.
 * @param what the work: `checking`
 * @param work its signal aborts on SIGINT and SIGTERM
 * @throws CommandError if interrupted, and what `work` throws
 */
export async function showingProgress<T>(
  what: string,
  work: (onProgress: (progress: Progress) => void, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const bar = progressBar(what);
  let latest: Progress | undefined;
  // Updates the time also during a long step.
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
 * Makes the line of the bar.
 * @param at.passed milliseconds since the beginning
 * @param at.columns maximum columns
 */
export function progressText(
  what: string,
  at: { readonly progress: Progress | undefined; readonly passed: number; readonly columns: number },
): string {
  const { progress, passed, columns } = at;
  if (progress === undefined) return shortened(`${what}, for ${ago(0, passed)}`, columns);
  const { done, total } = progress;
  const part = total === 0 ? 1 : Math.min(done / total, 1);
  const bar = '#'.repeat(Math.round(part * barWidth)).padEnd(barWidth);
  return shortened(`${what} ${done} of ${total} [${bar}]`, columns);
}

/** Tells whether there is a terminal to ask at. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true;
}

/** Asks a question. @returns the trimmed answer; empty after Ctrl-C or Ctrl-D */
export function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  return new Promise<string>((resolve) => {
    terminal.question(question, (answer) => resolve(answer.trim()));
    terminal.once('close', () => resolve(''));
  }).finally(() => terminal.close());
}

/**
 * Joins an error and its hint to one line: `cannot reach grid-1: refused. Check --grid-host.`
 * @param hint a clause or sentences; undefined if there is none
 */
export function whatToDo(message: string, hint: string | undefined): string {
  if (hint === undefined) return printable(message);
  const stop = /[.?!]$/.test(message) ? '' : '.';
  return printable(
    `${message}${stop} ${hint.charAt(0).toUpperCase()}${hint.slice(1)}${/[.?!]$/.test(hint) ? '' : '.'}`,
  );
}
