/**
 * The plugin as a process that a runtime starts: stdin, read to its end within a time limit; stdout, for one document; stderr, for a
 * line to people; its name, its user, and its clock.
 */
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { CniCode, CniError } from '../../cni/errors.ts';
import { errnoOf, isErrno } from '../../errno.ts';
import { printable } from '../terminal-text.ts';

/** Milliseconds between two looks at a stdin that has not ended. */
const pollPauseMs = 2;

/** Returns the name by which the runtime found this plugin: the `--driver-name` of its daemon. */
export function ownName(): string {
  return basename(process.argv0);
}

/**
 * Reads stdin to its end, at no cost when the caller has written it already. It is opened anew as non-blocking, so that a caller who
 * never closes it cannot keep us: a blocking read would keep even process.exit waiting. A socket, which no runtime passes, cannot be
 * opened, and is read as it is.
 * @throws CniError 5 when it does not end in time or holds more
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

/** Writes a line to stderr, which runtimes log, without characters that would command a terminal. Nothing depends on it. */
export function complain(text: string): void {
  try {
    writeSync(2, `${printable(text)}\n`);
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

/**
 * Says why a system call was refused.
 * @param code of the error of the system call
 * @returns undefined if it failed for another reason than the user of this process
 */
export function mustBeRoot(code: string | undefined): string | undefined {
  const uid = process.getuid?.() ?? 0;
  return uid !== 0 && (code === 'EACCES' || code === 'EPERM') ? `must run as root (this is uid ${uid})` : undefined;
}

/** What to do about it. */
export const rootHint = 'The plugin runs as the user of the container runtime that starts it.';

/**
 * Reads a clock that nobody can set, for time limits, in milliseconds. The global `performance` will not do: its first use loads
 * eleven more of Node's modules, a twentieth of the plugin's start.
 */
export function milliseconds(): number {
  return process.uptime() * 1000;
}
