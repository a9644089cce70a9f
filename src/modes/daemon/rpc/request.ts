/**
 * Defines and validates requests to the daemon, from the socket or a release note, and the handlers of each method.
 */
import * as v from 'valibot';
import { CniCode, CniError } from '../../../cni/errors.ts';
import type { Fields } from '../../../infoblox/log.ts';
import {
  type OperatorMethod,
  type OperatorParams,
  type OperatorResult,
  operatorMethods,
  type Progress,
} from '../../operator-protocol.ts';
import { type Call, maxTraceContextLength, protocolVersion, type Sender } from '../../protocol.ts';

export type PluginMethod = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS';

interface PluginRequest {
  readonly method: PluginMethod;
  readonly params: Call;
}

/** A request of a plugin or an operator command. */
export type Request = PluginRequest | { readonly method: OperatorMethod; readonly params: Sender };

/** The connection of the caller. */
export interface Caller {
  /** Fires when the caller has closed the connection. */
  readonly gone: AbortSignal;
  /** Fires with a GridError when the daemon stops: a handler with many steps begins no further step. */
  readonly stopping: AbortSignal;
  /** Sends the progress. */
  readonly tell: (progress: Progress) => void;
}

export interface Answer {
  /** The document for the plugin's stdout, or the result of a command; null if absent. */
  readonly result?: unknown;
  /** Fields for the call's log line. */
  readonly fields?: Fields;
  /** Called if the caller left without the answer. */
  readonly undelivered?: () => Promise<void>;
}

export interface Handler<Params = Call, Told extends Answer = Answer> {
  /** Maximum milliseconds, announced to the caller. */
  readonly timeoutMs: number;
  /** Whether it changes anything: its success is then logged at level info. */
  readonly changes?: boolean;
  /** @throws CniError or GridError */
  run(params: Params, caller: Caller): Promise<Told>;
}

export type OperatorHandler<M extends OperatorMethod> = Handler<
  OperatorParams<M>,
  Answer & { readonly result: OperatorResult<M> }
>;

export type Handlers = { readonly [M in PluginMethod]: Handler } & {
  readonly [M in OperatorMethod]: OperatorHandler<M>;
};

/** `VERSION-TRACE-PARENT-FLAGS`; ignores what versions after 00 may append (W3C Trace Context, "Versioning of traceparent"). */
const traceparent = /^(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?![^-])/;
const traceText = v.pipe(v.string(), v.maxLength(maxTraceContextLength));

const sender = {
  protocol: v.number(),
  release: v.string(),
  callId: v.pipe(v.string(), v.regex(/^[0-9a-f]{8,32}$/)),
  // An invalid trace context must not fail an ADD.
  traceparent: v.fallback(v.optional(v.pipe(traceText, v.regex(traceparent))), undefined),
  tracestate: v.fallback(v.optional(traceText), undefined),
};

const call = v.object({
  ...sender,
  containerId: v.string(),
  ifName: v.string(),
  netns: v.string(),
  args: v.string(),
  config: v.record(v.string(), v.unknown()),
});

/** Parameters of each method. */
const params: ReadonlyMap<string, v.GenericSchema> = new Map<string, v.GenericSchema>([
  ...['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'].map((method) => [method, call] as const),
  ...Object.entries(operatorMethods).map(
    ([method, { params }]) => [method, v.object({ ...sender, ...params.entries })] as const,
  ),
]);

const Envelope = v.object({
  jsonrpc: v.literal('2.0'),
  id: v.union([v.number(), v.string()]),
  method: v.picklist([...params.keys()]),
  params: v.looseObject({}),
});

/** Tells whether a request is a plugin's. */
export function isPluginRequest(request: Request): request is PluginRequest {
  return params.get(request.method) === call;
}

/**
 * Parses and validates a request.
 * @throws SyntaxError for an invalid request; CniError for another protocol version, naming the side to upgrade
 */
export function parseRequest(text: string): Request {
  const value: unknown = JSON.parse(text);
  refuseOtherProtocol(value);
  const { method } = parse(Envelope, value);
  const Whole = v.object({ params: params.get(method) ?? v.never() });
  return { method, ...parse(Whole, value) } as Request;
}

/** Parses and validates a call of a plugin. @throws as `parseRequest` */
export function parseCall(text: string): PluginRequest {
  const request = parseRequest(text);
  if (isPluginRequest(request)) return request;
  throw new SyntaxError(`not a call of a plugin: ${request.method}`);
}

function parse<Output>(schema: v.GenericSchema<unknown, Output>, value: unknown): Output {
  const parsed = v.safeParse(schema, value);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  throw new SyntaxError(`not a valid request: ${v.getDotPath(issue) ?? 'it'} is ${issue.received}`);
}

const Versioned = v.object({ params: v.object({ protocol: v.number(), release: v.string() }) });

function refuseOtherProtocol(value: unknown): void {
  if (!v.is(Versioned, value) || value.params.protocol === protocolVersion) return;
  const { protocol, release } = value.params;
  const older = protocol < protocolVersion ? 'plugin' : 'daemon';
  throw new CniError(
    CniCode.tryAgain,
    `the plugin (release ${release}) speaks protocol ${protocol}, the daemon protocol ${protocolVersion}`,
    `Upgrade the ${older}: install the same release of infoblox-cni as plugin and daemon, and restart the daemon.`,
  );
}
