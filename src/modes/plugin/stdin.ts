/** Reads stdin to its end within a time limit, at no cost when the caller has written it already. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { CniCode, CniError } from '../../cni/errors.ts';
import { isErrno } from '../../infoblox/host/errno.ts';
import { milliseconds } from './clock.ts';

const pollPause = 2;

/**
 * @param limit milliseconds
 * @param largest bytes
 * @throws CniError 5 when it does not end in time or holds more
 */
export async function readStdin(limit: number, largest: number): Promise<Buffer> {
  return fstatSync(0).isSocket() ? readSocket(limit, largest) : readFile(limit, largest);
}

/**
 * Opened anew as non-blocking, so that a caller who never closes it cannot keep us: a blocking read would keep even
 * process.exit waiting.
 */
async function readFile(limit: number, largest: number): Promise<Buffer> {
  const fd = openSync('/proc/self/fd/0', constants.O_RDONLY | constants.O_NONBLOCK);
  const end = milliseconds() + limit;
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for (;;) {
      const chunk = Buffer.allocUnsafe(65_536);
      const length = readAvailable(fd, chunk);
      if (length === 0) return Buffer.concat(chunks);
      if (length === undefined) {
        if (milliseconds() > end) throw late(limit);
        await new Promise((resolve) => setTimeout(resolve, pollPause));
        continue;
      }
      size += length;
      if (size > largest) throw tooLarge(largest);
      chunks.push(chunk.subarray(0, length));
    }
  } finally {
    closeSync(fd);
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

async function readSocket(limit: number, largest: number): Promise<Buffer> {
  const { Socket } = await import('node:net');
  const socket = new Socket({ fd: 0, readable: true, writable: false });
  const chunks: Buffer[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(late(limit)), limit);
    socket.on('data', (chunk) => {
      size += chunk.length;
      if (size > largest) socket.destroy(tooLarge(largest));
      chunks.push(chunk);
    });
    socket.on('end', () => resolve(Buffer.concat(chunks)));
    socket.on('error', reject);
    socket.on('close', () => clearTimeout(timer));
  });
}

function late(limit: number): CniError {
  return new CniError(
    CniCode.io,
    `stdin did not end within ${limit / 1000} s`,
    'The caller must write the network configuration to stdin and close it.',
  );
}

function tooLarge(largest: number): CniError {
  return new CniError(
    CniCode.io,
    `the network configuration on stdin is larger than ${largest / 1024 / 1024} MiB`,
    'Shorten it; a network configuration is a few kilobytes.',
  );
}
