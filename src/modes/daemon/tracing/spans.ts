/**
 * Spans of calls, of attempts at leases, and of their requests to the grid. The current span is found by Node's
 * asynchronous context. Timers carry that context on to other work after the call has ended, so only open spans count.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Attributes,
  type Context,
  createTraceState,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { messageOf } from '../../../errno.ts';
import type { Fields, Log } from '../../../infoblox/log.ts';
import type { Sender } from '../../protocol.ts';
import type { ExchangeObserver } from '../grid-access.ts';
import type { Request } from '../rpc/request.ts';
import type { CallEnd, Tracing } from './tracing.ts';

/** Maximum number of leases whose causing call is remembered; the oldest are forgotten. */
const maxCauses = 4096;

/** A call or attempt in progress. */
interface Work {
  readonly span: Span;
  readonly isCall: boolean;
  isOpen: boolean;
}

interface Cause {
  readonly call: SpanContext;
  /** Whether an attempt has joined the call's trace. */
  isTaken: boolean;
}

export class Spans implements Tracing {
  readonly #tracer: Tracer;
  readonly #close: () => Promise<void>;
  readonly #work = new AsyncLocalStorage<Work>();
  /** By mark. */
  readonly #causes = new Map<string, Cause>();

  /** @param close exports what is left */
  constructor(tracer: Tracer, close: () => Promise<void>) {
    this.#tracer = tracer;
    this.#close = close;
  }

  call<T>(request: Request, describe: (request: Request) => Fields, run: () => Promise<T>): Promise<T> {
    const attributes = { ...callAttributes, ...attributesOf(describe(request)) };
    const options = { kind: SpanKind.SERVER, attributes };
    const span = this.#tracer.startSpan(request.method, options, callerOf(request.params));
    return this.#run({ span, isCall: true, isOpen: true }, run);
  }

  callEnded({ code, fields }: CallEnd): void {
    const span = this.#open?.span;
    span?.setAttributes({ ...attributesOf(fields), ...endAttributes(code) });
    if (code !== 0) span?.setStatus({ code: SpanStatusCode.ERROR, message: String(fields.error) });
  }

  leaseDue(mark: string): void {
    const work = this.#open;
    if (work === undefined || !work.isCall) return;
    this.#causes.delete(mark);
    this.#causes.set(mark, { call: work.span.spanContext(), isTaken: false });
    const [oldest] = this.#causes.keys();
    if (this.#causes.size > maxCauses && oldest !== undefined) this.#causes.delete(oldest);
  }

  /**
   * Traces an attempt. The first attempt after a call joins the call's trace, which then shows when the grid was
   * updated. Later attempts may go on for hours: each has its own trace with a link to the call.
   */
  async attempt<T>(name: string, mark: string, run: () => Promise<T>): Promise<T> {
    const cause = this.#causes.get(mark);
    const attributes = attributesOf({ attachment: mark });
    const links = cause?.isTaken ? [{ context: cause.call }] : [];
    const parent = cause === undefined || cause.isTaken ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, cause.call);
    if (cause !== undefined) cause.isTaken = true;
    const span = this.#tracer.startSpan(name, { attributes, links }, parent);
    const value = await this.#run({ span, isCall: false, isOpen: true }, run);
    if (this.#causes.get(mark) === cause) this.#causes.delete(mark);
    return value;
  }

  readonly exchange: ExchangeObserver = ({ method, url, about }) => {
    const parent = this.#open === undefined ? ROOT_CONTEXT : trace.setSpan(ROOT_CONTEXT, this.#open.span);
    const options = { kind: SpanKind.CLIENT, attributes: requestAttributes(method, url) };
    const span = this.#tracer.startSpan(`${method} ${about}`, options, parent);
    return (answer, error) => {
      if (answer === undefined) failed(span, error);
      else {
        span.setAttribute('http.response.status_code', answer.status);
        if (answer.status >= 400) {
          span.setAttribute('error.type', String(answer.status)).setStatus({ code: SpanStatusCode.ERROR });
        }
      }
      span.end();
    };
  };

  correlate(log: Log): Log {
    const write = (level: keyof Log) => (message: string, fields?: Fields) => {
      const open = this.#open?.span.spanContext();
      const ids = open === undefined ? {} : { trace_id: open.traceId, span_id: open.spanId };
      log[level](message, { ...fields, ...ids });
    };
    return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
  }

  close(): Promise<void> {
    return this.#close();
  }

  get #open(): Work | undefined {
    const work = this.#work.getStore();
    return work?.isOpen ? work : undefined;
  }

  async #run<T>(work: Work, run: () => Promise<T>): Promise<T> {
    try {
      return await this.#work.run(work, run);
    } catch (error) {
      failed(work.span, error);
      throw error;
    } finally {
      work.isOpen = false;
      work.span.end();
    }
  }
}

/**
 * Marks a span as failed. A GridError is recognised by its reason: its class may be that of another script of the
 * executable.
 */
function failed(span: Span, error: unknown): void {
  const isGridError = error instanceof Error && 'reason' in error && typeof error.reason === 'string';
  span.setAttribute('error.type', isGridError ? String(error.reason) : 'internal');
  span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
}

/** Returns the caller's trace context, which was checked when the request came in. */
function callerOf({ traceparent, tracestate }: Sender): Context {
  if (traceparent === undefined) return ROOT_CONTEXT;
  const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-');
  const caller = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  const state = tracestate === undefined ? {} : { traceState: createTraceState(tracestate) };
  return trace.setSpanContext(ROOT_CONTEXT, { ...caller, ...state });
}

/*
 * Attributes of spans, named by OpenTelemetry's semantic conventions (1.45) where they exist: those of RPC, containers
 * and Kubernetes for calls, those of HTTP clients for requests to the grid.
 */

type Names = Readonly<Record<string, string>>;

/** Attributes by the equivalent log field. */
const ofCalls: Names = {
  command: 'rpc.method',
  network: 'cni.network.name',
  container: 'container.id',
  interface: 'network.interface.name',
  view: 'infoblox.network_view',
  address: 'infoblox.address',
  subnet: 'infoblox.network',
  attachment: 'infoblox.comment',
};
const ofPods: Names = { pod: 'k8s.pod.name', namespace: 'k8s.namespace.name', uid: 'k8s.pod.uid' };
/** Named as OpenTelemetry's collector names the Nomad attributes that it detects. */
const ofJobs: Names = {
  job: 'nomad.job.name',
  taskGroup: 'nomad.group.name',
  namespace: 'nomad.namespace',
  region: 'nomad.region',
  uid: 'nomad.alloc.id',
};

/** Maps log fields to attributes; drops fields without one. */
export function attributesOf(fields: Fields): Attributes {
  const names = { ...ofCalls, ...(fields.job === undefined ? ofPods : ofJobs) };
  const known = Object.entries(fields).flatMap(([field, value]) => {
    const name = names[field];
    return name === undefined || typeof value !== 'string' || value === '' ? [] : [[name, value] as const];
  });
  return Object.fromEntries(known);
}

/** Attributes of every call. */
const callAttributes: Attributes = { 'rpc.system.name': 'jsonrpc', 'network.transport': 'unix' };

/**
 * Returns the attributes of a call's end.
 * @param code CNI error code, 0 for success
 */
export function endAttributes(code: number): Attributes {
  const failed = { 'rpc.status_code': String(code), 'error.type': String(code) };
  return { 'cni.code': code, ...(code === 0 ? {} : failed) };
}

/** Returns the attributes of a request to the grid. Its URL shows the search and contains no secret. */
export function requestAttributes(method: string, url: string): Attributes {
  const { hostname, port } = new URL(url);
  return {
    'http.request.method': method,
    'server.address': hostname,
    'server.port': Number(port || 443),
    'url.full': url,
  };
}
