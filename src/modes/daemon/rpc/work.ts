/** What the daemon does for a request, be it a plugin's call or an operator's command: the socket server finds it here and runs it. */
import * as v from 'valibot';
import type { Command } from '../../../cni/environment.ts';
import { CniCode, CniError } from '../../../cni/errors.ts';
import type { Fields } from '../../../infoblox/log.ts';
import {
  type OperatorMethod,
  type OperatorParams,
  type OperatorResult,
  operatorMethods,
  type Progress,
} from '../../operator-protocol.ts';
import type { Call } from '../../protocol.ts';
import type { OperatorRequest } from './frame.ts';

type ServedCommand = Exclude<Command, 'VERSION'>;

export interface Answer {
  /** The document for the plugin's stdout, if there is one. */
  readonly result?: unknown;
  /** What happened: fields of the line that the log has for each call. */
  readonly fields?: Fields;
  /** To be called when the caller has passed the result on. */
  readonly delivered?: () => void;
  /** To be called if the caller went away without the answer. */
  readonly undelivered?: () => Promise<void>;
}

export interface Handler {
  /** Milliseconds that it takes at most; the caller is told. */
  readonly timeoutMs: number;
  /** @throws CniError or GridError */
  run(call: Call, caller: Caller): Promise<Answer>;
}

/** The work that a request is for, as the socket server runs it. */
export interface Work {
  /** Milliseconds that it takes at most; the caller is told. */
  readonly timeoutMs: number;
  /** Whether the log has a line of its success at its usual level: it changes something. */
  readonly changes: boolean;
  /** @throws CniError or GridError */
  run(caller: Caller): Promise<Answer>;
}

/** Who waits for an answer. */
export interface Caller {
  /** Fires when the caller has closed the connection. */
  readonly gone: AbortSignal;
  /** Fires, with a GridError, when the daemon stops: work of many steps begins no further one. */
  readonly stopping: AbortSignal;
  /** Sends how far the work has come. */
  readonly tell: (progress: Progress) => void;
}

export type Handlers = Readonly<Record<ServedCommand, Handler>>;

/** Finds the work of a plugin's call. */
export function pluginWork(handlers: Handlers, { method, params }: { method: ServedCommand; params: Call }): Work {
  const handler = handlers[method];
  const changes = method === 'ADD' || method === 'DEL' || method === 'GC';
  return { timeoutMs: handler.timeoutMs, changes, run: (caller) => handler.run(params, caller) };
}

export interface OperatorHandler<M extends OperatorMethod> {
  /** Milliseconds that it takes at most; the caller is told. */
  readonly timeoutMs: number;
  /** Whether the log has a line of it at its usual level: it changes something. */
  readonly changes?: boolean;
  /** @throws CniError or GridError */
  run(
    params: OperatorParams<M>,
    caller: Caller,
  ): Promise<{ readonly result: OperatorResult<M>; readonly fields?: Fields }>;
}

export type OperatorHandlers = { readonly [M in OperatorMethod]: OperatorHandler<M> };

/**
 * Finds the work of a request.
 * @throws CniError if what it asks is not as the method takes it
 */
export function operatorWork(handlers: OperatorHandlers, { method, params }: OperatorRequest): Work {
  const handler: OperatorHandler<OperatorMethod> = handlers[method];
  const parsed = v.safeParse(operatorMethods[method].params, params);
  if (!parsed.success) {
    const what = `${method}: ${v.getDotPath(parsed.issues[0]) ?? 'parameters'} is ${parsed.issues[0].received}`;
    throw new CniError(CniCode.decode, what, 'Use the command of the same release as the daemon.');
  }
  const asked: OperatorParams<OperatorMethod> = parsed.output;
  return {
    timeoutMs: handler.timeoutMs,
    changes: handler.changes === true,
    run: (caller) => handler.run(asked, caller),
  };
}
