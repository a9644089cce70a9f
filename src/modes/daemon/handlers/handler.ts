/** What the daemon does for a CNI command. The socket server looks the handler of a call up in a table and runs it. */
import type { Command } from '../../../cni/environment.ts';
import type { Fields } from '../../../infoblox/log.ts';
import type { Progress } from '../../operator-protocol.ts';
import type { Call } from '../../protocol.ts';

type ServedCommand = Exclude<Command, 'VERSION'>;

export interface Answer {
  /** The document for the plugin's stdout, if there is one. */
  readonly result?: unknown;
  /** What happened: fields of the line that the log has for each call. */
  readonly fields?: Fields;
  /** To be called when the caller has passed the result on. */
  readonly delivered?: () => void;
  /** To be called if the caller went away without the answer. */
  readonly undelivered?: () => void;
}

export interface Handler {
  /** Milliseconds that it takes at most; the caller is told. */
  readonly longest: number;
  /**
   * @param gone fires when the caller has closed the connection
   * @throws CniError or GridError
   */
  run(call: Call, gone: AbortSignal): Promise<Answer>;
}

/** The work that a request is for, as the socket server runs it. */
export interface Work {
  /** Milliseconds that it takes at most; the caller is told. */
  readonly longest: number;
  /** Whether the log has a line of its success at its usual level: it changes something. */
  readonly changes: boolean;
  /**
   * @param caller `gone` fires when the caller has closed the connection; `tell` sends it how far the work has come
   * @throws CniError or GridError
   */
  run(caller: Caller): Promise<Answer>;
}

export interface Caller {
  readonly gone: AbortSignal;
  readonly tell: (progress: Progress) => void;
}

export type Handlers = Readonly<Record<ServedCommand, Handler>>;

/** Finds the work of a plugin's call. */
export function pluginWork(handlers: Handlers, { method, params }: { method: ServedCommand; params: Call }): Work {
  const handler = handlers[method];
  const changes = method === 'ADD' || method === 'DEL' || method === 'GC';
  return { longest: handler.longest, changes, run: ({ gone }) => handler.run(params, gone) };
}
