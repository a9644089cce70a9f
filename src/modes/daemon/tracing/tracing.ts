/**
 * Traces, exported over OTLP: which call sent which request to the grid, and how long it took. This file has the
 * interface and the choice whether to trace. The exporter is a separate script, compiled only if an endpoint is set.
 */
import * as v from 'valibot';
import { type Fields, type Log, type Trace, untraced } from '../../../infoblox/log.ts';
import { loadScript } from '../../script.ts';
import type { ExchangeObserver } from '../grid-access.ts';
import type { Request } from '../rpc/request.ts';

/** How a call ended. */
export interface CallEnd {
  readonly command: string;
  /** CNI error code, 0 for success. */
  readonly code: number;
  readonly seconds: number;
  /** Fields of its log line. */
  readonly fields: Fields;
}

/** The daemon's interface to traces. Never throws or waits for a collector. */
export interface Tracing extends Trace {
  /**
   * Runs a call, in the caller's trace if there is one.
   * @param describe returns the log fields of the call
   */
  call<T>(request: Request, describe: (request: Request) => Fields, run: () => Promise<T>): Promise<T>;
  /** Records how the current call ended. */
  callEnded(end: CallEnd): void;
  /**
   * Records that the current call, if there is one, made a lease due. The next attempt at the lease joins the call's
   * trace.
   */
  leaseDue(mark: string): void;
  /** Observes exchanges with the grid. */
  readonly exchange: ExchangeObserver;
  /** Wraps a log: its lines carry the current `trace_id` and `span_id`. */
  correlate(log: Log): Log;
  /** Exports the remaining spans, within a time limit. */
  close(): Promise<void>;
}

/** Used if no endpoint is set. */
export const noTracing: Tracing = {
  ...untraced,
  call: (_request, _describe, run) => run(),
  callEnded: () => undefined,
  leaseDue: () => undefined,
  exchange: () => () => undefined,
  correlate: (log) => log,
  close: async () => undefined,
};

/** The dependencies of the exporting script. */
export interface TracingDeps {
  readonly env: NodeJS.ProcessEnv;
  /** Name of this host. */
  readonly node: string;
  readonly log: Log;
}

const hint = 'set OTEL_EXPORTER_OTLP_ENDPOINT to an address such as http://127.0.0.1:4318';
const Endpoint = v.pipe(v.string(), v.url(), v.regex(/^https?:/i));

/** Starts to export traces if OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT is set. */
export function openTracing(deps: TracingDeps): Tracing {
  const { env, log } = deps;
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const isOff = /^true$/i.test(env.OTEL_SDK_DISABLED ?? '') || env.OTEL_TRACES_EXPORTER === 'none';
  if (!endpoint || isOff) return noTracing;
  if (!v.is(Endpoint, endpoint)) {
    // The SDK would silently replace an invalid address by its default.
    log.warn('traces are not exported: their endpoint is not an http or https address', { hint });
    return noTracing;
  }
  const script = loadScript<{ openTracing(deps: TracingDeps): Tracing }>('tracing.cjs');
  log.info('traces are exported', { to: new URL(endpoint).origin });
  return script.openTracing(deps);
}
