/** Requests as they come over the socket, or out of a release note: checked before anything is done with them. */
import * as v from 'valibot';
import { CniCode, CniError } from '../../../cni/errors.ts';
import { isOperatorMethod, type OperatorMethod, operatorMethods } from '../../operator-protocol.ts';
import { maxTraceContextLength, protocolVersion } from '../../protocol.ts';

/** `VERSION-TRACE-PARENT-FLAGS`; what a later version than 00 may append is passed over (W3C Trace Context, "Versioning of traceparent"). */
const traceparent = /^(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?![^-])/;
const traceText = v.pipe(v.string(), v.maxLength(maxTraceContextLength));

const envelope = { jsonrpc: v.literal('2.0'), id: v.union([v.number(), v.string()]) };
const sender = {
  protocol: v.number(),
  release: v.string(),
  callId: v.pipe(v.string(), v.regex(/^[0-9a-f]{8,32}$/)),
  // Nobody goes without an address because of a trace.
  traceparent: v.fallback(v.optional(v.pipe(traceText, v.regex(traceparent))), undefined),
  tracestate: v.fallback(v.optional(traceText), undefined),
};

const PluginRequest = v.object({
  ...envelope,
  method: v.picklist(['ADD', 'DEL', 'CHECK', 'GC', 'STATUS']),
  params: v.object({
    ...sender,
    containerId: v.string(),
    ifName: v.string(),
    netns: v.string(),
    args: v.string(),
    config: v.record(v.string(), v.unknown()),
  }),
});

/** What a method takes besides is checked with its own schema. */
const OperatorRequest = v.object({
  ...envelope,
  method: v.picklist(Object.keys(operatorMethods) as OperatorMethod[]),
  params: v.looseObject(sender),
});

type PluginRequest = Pick<v.InferOutput<typeof PluginRequest>, 'method' | 'params'>;
export type OperatorRequest = Pick<v.InferOutput<typeof OperatorRequest>, 'method' | 'params'>;
/** What a plugin asks, or an operator's command. */
export type Request = PluginRequest | OperatorRequest;

/** Tells whether a request is a plugin's. */
export function isPluginRequest(request: Request): request is PluginRequest {
  return !isOperatorMethod(request.method);
}

/**
 * @throws SyntaxError if the text is no request; CniError if it is one of another protocol version, saying which side to
 * upgrade
 */
export function parseRequest(text: string): Request {
  const value: unknown = JSON.parse(text);
  const { protocol, release } = versionOf(value);
  if (protocol !== undefined && protocol !== protocolVersion) {
    const older = protocol < protocolVersion ? 'plugin' : 'daemon';
    throw new CniError(
      CniCode.tryAgain,
      `the plugin (release ${release}) speaks protocol ${protocol}, the daemon protocol ${protocolVersion}`,
      `Upgrade the ${older}: install the same release of infoblox-cni as plugin and daemon, and restart the daemon.`,
    );
  }
  const parsed = v.safeParse(isOperators(value) ? OperatorRequest : PluginRequest, value);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  throw new SyntaxError(`no request of the plugin: ${v.getDotPath(issue) ?? 'it'} is ${issue.received}`);
}

function isOperators(value: unknown): boolean {
  const parsed = v.safeParse(v.object({ method: v.string() }), value);
  return parsed.success && isOperatorMethod(parsed.output.method);
}

function versionOf(value: unknown): { protocol?: number; release?: string } {
  const parsed = v.safeParse(v.object({ params: v.object({ protocol: v.number(), release: v.string() }) }), value);
  return parsed.success ? parsed.output.params : {};
}
