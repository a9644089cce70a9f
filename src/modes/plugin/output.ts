/** What the plugin tells its caller: the document on stdout, a line for people on stderr. Loaded at each call. */
import { writeSync } from 'node:fs';
import { errnoOf, isErrno } from '../../infoblox/host/errno.ts';

/** Writes a line to stderr, which runtimes log. Nothing depends on it. */
export function complain(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // Ignore EPIPE and ENOSPC: there is nowhere left to report to.
  }
}

/** Stdout cannot be written, so that the caller gets no answer. */
export class NoOutput extends Error {}

/**
 * Writes a document to stdout, in full before the process ends, also to a pipe whose reader is slow.
 * @throws NoOutput
 */
export function print(document: unknown): void {
  let rest = Buffer.from(`${JSON.stringify(document)}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (!isErrno(error, 'EAGAIN')) throw new NoOutput(`cannot write to stdout (${errnoOf(error) ?? error})`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
