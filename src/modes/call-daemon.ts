/** The plugin's side of the socket: one call, one answer, and an end to the wait. */
import { connect } from 'node:net';
import { CniCode, CniError } from '../cni/errors.ts';
import { milliseconds } from './clock.ts';
import type { RpcError } from './protocol.ts';
import { type Call, largestFrame, limits, requestFrame, takenFrame } from './protocol.ts';

/** The daemon could not be asked, or gave no answer. Nothing else is thrown as this class. */
export class NoAnswer extends CniError {}

/** Milliseconds between attempts while the daemon's queue of connections is full. */
const queuePause = 20;

/**
 * Asks the daemon.
 * @param method the CNI command
 * @param limit milliseconds for everything
 * @param take passes the result, as the daemon gave it, on to the caller; if it throws, the daemon is not told that
 * somebody has the result
 * @throws NoAnswer (code 11) when there is no daemon or no answer in time; CniError when the daemon answered with one;
 * what `take` throws
 */
export async function callDaemon(
  file: string,
  method: string,
  call: Call,
  limit: number,
  take: (result: unknown) => void,
): Promise<void> {
  const end = milliseconds() + limit;
  for (;;) {
    try {
      return await attempt(file, requestFrame(method, call), end, limit, take);
    } catch (error) {
      // EAGAIN: the queue of the socket is full, many containers start at once.
      const full = error instanceof NoAnswer && error.message.endsWith('(EAGAIN)');
      if (!full || milliseconds() + queuePause > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, queuePause));
    }
  }
}

function attempt(
  file: string,
  frame: string,
  end: number,
  limit: number,
  take: (result: unknown) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(file);
    const chunks: Buffer[] = [];
    let size = 0;
    const fail = (error: unknown) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const late = () =>
      fail(new NoAnswer(CniCode.tryAgain, `the daemon at ${file} did not answer in time`, slowCure(limit)));
    let timer = setTimeout(late, Math.min(limits.connect, end - milliseconds()));
    socket.on('connect', () => {
      clearTimeout(timer);
      timer = setTimeout(late, end - milliseconds());
      socket.write(frame);
    });
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size > largestFrame) return fail(noSense(file));
      if (chunk.at(-1) !== 0x0a) return;
      clearTimeout(timer);
      try {
        take(resultOf(Buffer.concat(chunks).toString('utf8'), file));
      } catch (error) {
        return fail(error);
      }
      // Written at once, without a turn of the event loop: the process may end now. The caller has its result, whatever
      // becomes of the daemon.
      socket.end(takenFrame);
      resolve();
    });
    socket.on('error', (error) => fail(connectError(error, file)));
    socket.on('close', () => {
      fail(new NoAnswer(CniCode.tryAgain, `the daemon at ${file} ended the connection without an answer`, restartCure));
    });
  });
}

function resultOf(text: string, file: string): unknown {
  const answer = parseAnswer(text);
  if (answer === undefined) throw noSense(file);
  if (answer.error === undefined) return answer.result;
  throw new CniError(answer.error.code, answer.error.message, answer.error.data?.details);
}

function parseAnswer(text: string): { result?: unknown; error?: RpcError } | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    if ('result' in value) return { result: value.result };
    if (!('error' in value) || typeof value.error !== 'object' || value.error === null) return undefined;
    const { code, message, data } = value.error as Record<string, unknown>;
    if (typeof code !== 'number' || typeof message !== 'string') return undefined;
    const details = typeof data === 'object' && data !== null && 'details' in data ? data.details : undefined;
    return { error: { code, message, ...(typeof details === 'string' ? { data: { details } } : {}) } };
  } catch {
    return undefined;
  }
}

const restartCure = 'See its log: journalctl -u infoblox-cni-daemon.';

function slowCure(limit: number): string {
  return `It was given ${limit / 1000} s. ${restartCure}`;
}

function noSense(file: string): NoAnswer {
  return new NoAnswer(
    CniCode.tryAgain,
    `what answers at ${file} is not infoblox-cni-daemon of a fitting release`,
    'Install plugin and daemon from the same release and restart the daemon.',
  );
}

function connectError(error: Error, file: string): NoAnswer {
  const code = 'code' in error ? String(error.code) : error.message;
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new NoAnswer(
      CniCode.tryAgain,
      `infoblox-cni-daemon is not running: nothing listens at ${file}`,
      'Start it: systemctl start infoblox-cni-daemon. Its --socket-dir and --driver-name must match "socket-dir" and "type" in the network configuration.',
    );
  }
  if (code === 'EINVAL') {
    return new NoAnswer(
      CniCode.tryAgain,
      `the path of the daemon's socket is longer than the system allows: ${file}`,
      'Use a shorter "socket-dir" or "type" in the network configuration, and the same --socket-dir and --driver-name of the daemon.',
    );
  }
  return new NoAnswer(CniCode.tryAgain, `cannot reach infoblox-cni-daemon at ${file} (${code})`, restartCure);
}
