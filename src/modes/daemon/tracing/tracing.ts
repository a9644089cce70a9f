/**
 * Traces: which call asked what of the grid, and how long it took, for whoever collects them over OTLP. Here is what the daemon
 * always has: what it says to a trace, and whether there is one. The rest is a script of its own, compiled only where an endpoint is set.
 */
import * as v from 'valibot';
import type { Fields, Log } from '../../../infoblox/log.ts';
import { type Trace, untraced } from '../../../infoblox/trace.ts';
import { loadScript } from '../../script.ts';
import type { ExchangeObserver } from '../grid-access.ts';
import type { Request } from '../rpc/request.ts';

/** How a call ended. */
export interface CallEnd {
  readonly command: string;
  /** CNI error code, 0 for success. */
  readonly code: number;
  readonly seconds: number;
  /** Of its line in the log. */
  readonly fields: Fields;
}

/** What the daemon says to a trace. Nothing of it throws, or waits for whoever collects traces. */
export interface Tracing extends Trace {
  /**
   * Runs a call, as a part of the caller's trace if it has one.
   * @param describe says what a call is about, as for the log
   */
  call<T>(request: Request, describe: (request: Request) => Fields, run: () => Promise<T>): Promise<T>;
  /** Says how the call under way ended. */
  callEnded(end: CallEnd): void;
  /** Says that the call under way, if there is one, makes a lease due: the next attempt at it belongs to its trace. */
  leaseDue(mark: string): void;
  /** Shows an exchange with the grid. */
  readonly exchange: ExchangeObserver;
  /** Returns the same log, its lines with `trace_id` and `span_id` of what is under way. */
  correlate(log: Log): Log;
  /** Exports what is left, as far as there is time. */
  close(): Promise<void>;
}

/** What there is where no endpoint is set. */
export const noTracing: Tracing = {
  ...untraced,
  call: (_request, _describe, run) => run(),
  callEnded: () => undefined,
  leaseDue: () => undefined,
  exchange: () => () => undefined,
  correlate: (log) => log,
  close: async () => undefined,
};

/** What a script that exports traces is given. */
export interface TracingDeps {
  readonly env: NodeJS.ProcessEnv;
  /** Name of this host. */
  readonly node: string;
  readonly log: Log;
}

const hint = 'set OTEL_EXPORTER_OTLP_ENDPOINT to an address such as http://127.0.0.1:4318';
const Endpoint = v.pipe(v.string(), v.url(), v.regex(/^https?:/i));

/** Begins to export traces, if the environment says where to: OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT. */
export function openTracing(deps: TracingDeps): Tracing {
  const { env, log } = deps;
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const isOff = /^true$/i.test(env.OTEL_SDK_DISABLED ?? '') || env.OTEL_TRACES_EXPORTER === 'none';
  if (!endpoint || isOff) return noTracing;
  if (!v.is(Endpoint, endpoint)) {
    // An address that the SDK cannot read it replaces by one of its own.
    log.warn('traces are not exported: their endpoint is no http or https address', { hint });
    return noTracing;
  }
  const script = loadScript<{ openTracing(deps: TracingDeps): Tracing }>('tracing.cjs');
  log.info('traces are exported', { to: new URL(endpoint).origin });
  return script.openTracing(deps);
}
