/** Asks the running daemon over the socket that plugins use. */
import * as v from 'valibot';
import { CniError } from '../../cni/errors.ts';
import { distrust } from '../../files/trusted-path.ts';
import { version } from '../about.ts';
import { callDaemon, incompatible, NoAnswer } from '../daemon-client.ts';
import {
  type OperatorMethod,
  type OperatorParams,
  type OperatorResult,
  operatorMethods,
  Progress,
} from '../operator-protocol.ts';
import { newCallId, protocolVersion } from '../protocol.ts';
import { CommandError, exitStatus } from './command-error.ts';

/** A request to the daemon. */
interface Question<M extends OperatorMethod> {
  /** Path of the socket. */
  readonly socket: string;
  readonly method: M;
  readonly params: OperatorParams<M>;
  /** Called with the daemon's progress on a long request. */
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * Asks the daemon and returns its answer.
 * @throws CommandError `noDaemon` if it cannot be asked or does not answer in time, `failed` if it answers with an error
 */
export async function askDaemon<M extends OperatorMethod>(question: Question<M>): Promise<OperatorResult<M>> {
  const { socket: file, method, params, onProgress } = question;
  const untrusted = distrust(file);
  if (untrusted !== undefined) {
    const what = `cannot trust the socket ${file}: ${untrusted.message}`;
    throw new CommandError(what, `run ${untrusted.hint}`, exitStatus.noDaemon);
  }
  const request = {
    file,
    method,
    call: { ...params, protocol: protocolVersion, release: version, callId: newCallId() },
    maxBytes: Number.POSITIVE_INFINITY,
    onProgress: (told: unknown) => onProgress?.(parsed(Progress, told, file)),
  };
  const { result } = operatorMethods[method];
  try {
    return await callDaemon(request, (answer) => parsed(result, answer, file) as OperatorResult<M>);
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    const status = error instanceof NoAnswer ? exitStatus.noDaemon : exitStatus.failed;
    throw new CommandError(error.message, error.details, status);
  }
}

/** Validates what the daemon says. @throws NoAnswer: it may be of another release */
function parsed<S extends v.GenericSchema>(schema: S, value: unknown, file: string): v.InferOutput<S> {
  const found = v.safeParse(schema, value);
  if (found.success) return found.output;
  throw incompatible(file);
}
