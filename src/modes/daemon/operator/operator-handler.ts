/** What the daemon does for an operator's command. */
import * as v from 'valibot';
import { CniCode, CniError } from '../../../cni/errors.ts';
import type { Fields } from '../../../infoblox/log.ts';
import {
  type OperatorMethod,
  type OperatorParams,
  type OperatorResult,
  operatorMethods,
} from '../../operator-protocol.ts';
import type { Caller, Work } from '../handlers/handler.ts';
import type { OperatorRequest } from '../rpc/frame.ts';

export interface OperatorHandler<M extends OperatorMethod> {
  /** Milliseconds that it takes at most; the caller is told. */
  readonly longest: number;
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
  return { longest: handler.longest, changes: handler.changes === true, run: (caller) => handler.run(asked, caller) };
}
