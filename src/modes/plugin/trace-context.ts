import { longestTraceContext, type Sender } from '../protocol.ts';

/**
 * Takes the caller's place in a trace out of the environment (OpenTelemetry specification, "Environment Variables as Context
 * Propagation Carriers"). It is passed on unread: the daemon ignores what is none. What is longer than any is left out, so that it cannot
 * make the request too long.
 */
export function traceContext({
  TRACEPARENT,
  TRACESTATE,
}: NodeJS.ProcessEnv): Pick<Sender, 'traceparent' | 'tracestate'> {
  return { traceparent: bounded(TRACEPARENT), tracestate: bounded(TRACESTATE) };
}

function bounded(text: string | undefined): string | undefined {
  return text !== undefined && text.length <= longestTraceContext ? text : undefined;
}
