/**
 * The plugin's process: stdin read within a time limit, one document on stdout, messages to people on stderr; its name,
 * user and clock.
 */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { CniCode, CniError } from '../../cni/errors.ts';
import { errnoOf, isErrno } from '../../errno.ts';
import { milliseconds } from '../protocol.ts';
import { printable } from '../terminal-text.ts';

/** Milliseconds between two polls of stdin. */
const pollPauseMs = 2;

/** Returns the name by which the runtime called this plugin: the `--driver-name` of its daemon. */
export function ownName(): string {
  return basename(process.argv0);
}

/**
 * Reads stdin to its end; returns at once if the caller has written it already. Reopens it as non-blocking, so that a
 * caller that never closes it cannot block the plugin: not even process.exit interrupts a blocking read. Sockets, which
 * no runtime passes, cannot be reopened and are read directly.
 * @throws CniError 5 if stdin does not end in time or is too large
 */
export async function readStdin(limitMs: number, maxBytes: number): Promise<Buffer> {
  const file = fstatSync(0).isSocket() ? 0 : openSync('/proc/self/fd/0', constants.O_RDONLY | constants.O_NONBLOCK);
  const end = milliseconds() + limitMs;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(65_536);
      const length = readAvailable(file, chunk);
      if (length === 0) return Buffer.concat(chunks);
      if (length === undefined) {
        if (milliseconds() > end) throw late(limitMs);
        await new Promise((resolve) => setTimeout(resolve, pollPauseMs));
        continue;
      }
      size += length;
      if (size > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk.subarray(0, length));
    }
  } finally {
    if (file !== 0) closeSync(file);
  }
}

function readAvailable(fd: number, chunk: Buffer): number | undefined {
  try {
    return readSync(fd, chunk);
  } catch (error) {
    if (isErrno(error, 'EAGAIN')) return undefined;
    throw error;
  }
}

function late(limitMs: number): CniError {
  return new CniError(
    CniCode.io,
    `stdin did not end within ${limitMs / 1000} s`,
    'The caller must write the network configuration to stdin and close it.',
  );
}

function tooLarge(maxBytes: number): CniError {
  return new CniError(
    CniCode.io,
    `the network configuration on stdin is larger than ${maxBytes / 1024 / 1024} MiB`,
    'Shorten it; a network configuration is a few kilobytes.',
  );
}

/** Writes a line to stderr, which runtimes log; control characters are escaped. Errors are ignored. */
export function complain(text: string): void {
  try {
    writeSync(2, `${printable(text)}\n`);
  } catch {
    // Ignore EPIPE and ENOSPC: there is nowhere left to report to.
  }
}

/** Stdout cannot be written: the caller gets no answer. */
export class NoOutput extends Error {}

/**
 * Writes a complete document to stdout before it returns, even to a slow reader's pipe.
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
