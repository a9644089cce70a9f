/**
 * Reads the one line that a peer sends. How much a peer may make the daemon hold is bounded: an ordinary request by its
 * size, the list of a GC, which may be 16 times as long, also by how many there are at a time.
 */
import type { Socket } from 'node:net';
import { gcRequestStart, maxFrameBytes, maxGcFrameBytes } from '../../protocol.ts';

/** Milliseconds for a peer to send its request. */
const sendTimeoutMs = 5_000;

/** What came: a line; or a long one that would be too much at the moment; undefined if the peer is to be left alone. */
export type Frame = { readonly text: string; readonly release: () => void } | 'busy' | undefined;

export class FrameReader {
  #isLongUnderWay = false;

  /**
   * @returns undefined if the peer sends no line in time, too long a one, or leaves. `release` is to be called when the
   * request has been carried out
   */
  read(socket: Socket): Promise<Frame> {
    return new Promise((resolve) => {
      let chunks: Buffer[] = [];
      let size = 0;
      let isLong = false;
      const release = () => {
        if (isLong) this.#isLongUnderWay = false;
        isLong = false;
      };
      const end = (frame: Frame) => {
        clearTimeout(timer);
        socket.removeListener('data', take);
        socket.removeListener('close', leave);
        socket.resume();
        chunks = [];
        if (typeof frame !== 'object') release();
        resolve(frame);
      };
      const leave = () => end(undefined);
      const timer = setTimeout(leave, sendTimeoutMs);
      const take = (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > maxFrameBytes && !isLong) {
          if (!isGc(chunks[0])) return end(undefined);
          if (this.#isLongUnderWay) return end('busy');
          isLong = true;
          this.#isLongUnderWay = true;
        }
        if (size > maxGcFrameBytes) return end(undefined);
        if (chunk.includes(0x0a)) end({ text: firstLine(chunks), release });
      };
      socket.on('data', take);
      socket.on('close', leave);
    });
  }
}

function isGc(chunk: Buffer | undefined): boolean {
  return chunk?.toString('latin1', 0, gcRequestStart.length) === gcRequestStart;
}

function firstLine(chunks: readonly Buffer[]): string {
  const bytes = Buffer.concat(chunks);
  return bytes.toString('utf8', 0, bytes.indexOf(0x0a));
}
