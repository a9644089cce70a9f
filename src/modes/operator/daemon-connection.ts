/** Asks the running daemon over the socket that plugins use. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import * as v from 'valibot';
import { isErrno, messageOf } from '../../errno.ts';
import { distrust } from '../../files/trusted-path.ts';
import { version } from '../about.ts';
import {
  type OperatorMethod,
  type OperatorParams,
  type OperatorResult,
  operatorMethods,
  Progress,
} from '../operator-protocol.ts';
import { acceptTimeoutMs, answerGraceMs, newCallId, protocolVersion, requestFrame, takenFrame } from '../protocol.ts';
import { CommandError, exitStatus } from './command-error.ts';

/** Hint if the daemon is not running. */
export const startHint =
  'start it with systemctl start infoblox-cni-daemon, or name its --socket-dir and --driver-name';
const logHint = 'see its log: journalctl -u infoblox-cni-daemon';

/** A request to the daemon. */
interface Question<M extends OperatorMethod> {
  /** Path of the socket. */
  readonly socket: string;
  readonly method: M;
  readonly params: OperatorParams<M>;
  /** Called with the daemon's progress on a long request. */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the wait and closes the connection. */
  readonly signal?: AbortSignal;
}

/** Messages of the daemon. */
const Message = v.union([
  v.object({ method: v.literal('accepted'), params: v.object({ milliseconds: v.number() }) }),
  v.object({ method: v.literal('progress'), params: Progress }),
  v.object({ result: v.unknown() }),
  v.object({
    error: v.object({ message: v.string(), data: v.optional(v.object({ details: v.optional(v.string()) })) }),
  }),
]);

/**
 * Asks the daemon and returns its answer.
 * @throws CommandError `noDaemon` if it cannot be asked or does not answer in time, `failed` if it answers with an error
 */
export async function askDaemon<M extends OperatorMethod>(question: Question<M>): Promise<OperatorResult<M>> {
  const { socket: file, method, params, onProgress, signal } = question;
  const socket = await connectTo(file);
  const lines = createInterface({ input: socket });
  const stop = () => lines.close();
  let timer = setTimeout(stop, acceptTimeoutMs);
  signal?.addEventListener('abort', stop);
  // readline closes at the end of a stream, not at its error.
  socket.on('error', () => undefined).once('close', stop);
  try {
    socket.write(requestFrame(method, { ...params, protocol: protocolVersion, release: version, callId: newCallId() }));
    for await (const line of lines) {
      const message = parsed(Message, line, file);
      if ('result' in message) {
        socket.write(takenFrame);
        return parsed(operatorMethods[method].result, message.result, file) as OperatorResult<M>;
      }
      if ('error' in message) throw new CommandError(message.error.message, message.error.data?.details);
      if (message.method === 'progress') onProgress?.(message.params);
      else {
        clearTimeout(timer);
        timer = setTimeout(stop, message.params.milliseconds + answerGraceMs);
      }
    }
  } catch (error) {
    // Any other error broke the connection: reported below as no answer.
    if (error instanceof CommandError) throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
    socket.destroy();
  }
  if (signal?.aborted) throw new CommandError('interrupted');
  throw new CommandError(`the daemon at ${file} did not answer in time`, logHint, exitStatus.noDaemon);
}

async function connectTo(file: string): Promise<Socket> {
  const untrusted = distrust(file);
  if (untrusted !== undefined) {
    const what = `cannot trust the socket ${file}: ${untrusted.message}`;
    throw new CommandError(what, `run ${untrusted.hint}`, exitStatus.noDaemon);
  }
  try {
    const socket = connect(file);
    await once(socket, 'connect');
    return socket;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ECONNREFUSED')) {
      const what = `the daemon is not running: nothing listens at ${file}`;
      throw new CommandError(what, startHint, exitStatus.noDaemon);
    }
    const hint = isErrno(error, 'EACCES', 'EPERM') ? 'run this command as root' : logHint;
    throw new CommandError(`cannot connect to ${file}: ${messageOf(error)}`, hint, exitStatus.noDaemon);
  }
}

/** Validates a message of the daemon. @param value JSON text, or a parsed value */
function parsed<S extends v.GenericSchema>(schema: S, value: unknown, file: string): v.InferOutput<S> {
  try {
    return v.parse(schema, typeof value === 'string' ? JSON.parse(value) : value);
  } catch {
    const hint = 'restart it after an upgrade: systemctl restart infoblox-cni-daemon';
    const what = `the daemon at ${file} is of another release than this command`;
    throw new CommandError(what, hint, exitStatus.noDaemon);
  }
}
