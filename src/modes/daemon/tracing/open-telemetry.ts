/** The entry of the script that exports traces: OpenTelemetry's SDK, put together from what the environment says. */
import { setTimeout as delay } from 'node:timers/promises';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  type Resource,
  resourceAttributesEnvDetector,
  resourceFromAttributes,
  serviceNameEnvDetector,
} from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import * as v from 'valibot';
import { errnoOf, messageOf } from '../../../errno.ts';
import type { Log } from '../../../infoblox/log.ts';
import { version } from '../../about.ts';
import { Spans } from './spans.ts';
import type { Tracing, TracingDeps } from './tracing.ts';

/** Milliseconds for the last export: a stop does not wait longer for a collector. */
const closeTimeoutMs = 2_000;
/** Characters of an attribute; the longest that is of use is the URL of a search by mark. */
const maxAttributeCharacters = 2048;

/** Begins to export traces. The exporter itself reads its variables, OTEL_EXPORTER_OTLP_*, from the process's environment. */
export function openTracing({ env, node, log }: TracingDeps): Tracing {
  const stopWarnings = warnOfSettings(log);
  const { sampler, batches } = readSettings(env, log);
  const exporter = warnOfLoss(new OTLPTraceExporter(), log);
  const provider = new TracerProvider({
    resource: resourceOf(node),
    sampler,
    spanLimits: { attributeValueLengthLimit: maxAttributeCharacters },
    spanProcessors: [new BatchSpanProcessor({ exporter, ...batches })],
  });
  stopWarnings();
  const late = () => delay(closeTimeoutMs, undefined, { ref: false });
  const close = () => Promise.race([provider.shutdown().catch(() => undefined), late()]);
  return new Spans(provider.getTracer('infoblox-cni', version), close);
}

/** What the environment says of the service wins over what we say. */
function resourceOf(node: string): Resource {
  const own = { 'service.name': 'infoblox-cni-daemon', 'service.version': version, 'host.name': node };
  const detectors = [resourceAttributesEnvDetector, serviceNameEnvDetector];
  return defaultResource().merge(resourceFromAttributes(own)).merge(detectResources({ detectors }));
}

/**
 * Passes on what the SDK says of its settings. Later it repeats what `warnOfLoss` says, or worse: that is for `--log-level=debug`.
 * @returns what makes it later
 */
function warnOfSettings(log: Log): () => void {
  let level: 'warn' | 'debug' = 'warn';
  const write = (text: string) => log[level]('OpenTelemetry complains', { text });
  const nothing = () => undefined;
  const logger = { error: write, warn: write, info: nothing, debug: nothing, verbose: nothing };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  return () => {
    level = 'debug';
  };
}

/** Milliseconds between two warnings. */
const warningPauseMs = 600_000;

/**
 * Makes an exporter say in the log that spans are lost: when it begins, and every ten minutes while it goes on.
 * @param now milliseconds, monotonic
 */
export function warnOfLoss(exporter: SpanExporter, log: Log, now = () => performance.now()): SpanExporter {
  let lost = 0;
  let warnedAt = Number.NEGATIVE_INFINITY;
  const failed = (spans: number, error: unknown) => {
    lost += spans;
    if (now() - warnedAt < warningPauseMs) return;
    const hint = 'calls are not affected: see that the collector runs, and check OTEL_EXPORTER_OTLP_ENDPOINT';
    log.warn('traces cannot be exported', { reason: reasonOf(error), spans: lost, hint });
    lost = 0;
    warnedAt = now();
  };
  return {
    export: (spans, end) =>
      exporter.export(spans, (result) => {
        if (result.error !== undefined) failed(spans.length, result.error);
        end(result);
      }),
    forceFlush: async () => exporter.forceFlush?.(),
    shutdown: () => exporter.shutdown(),
  };
}

/** A refused connection to a name with several addresses has no text, only a code; the number of an HTTP status is one, too. */
function reasonOf(error: unknown): string {
  const code = errnoOf(error) ?? (error instanceof Error && 'code' in error ? error.code : undefined);
  return [code, messageOf(error)].filter((part) => part !== undefined && part !== '').join(': ');
}

/*
 * What the environment says of traces and the SDK does not read itself: OpenTelemetry specification, "Environment Variable
 * Specification". Malformed values are ignored, with a warning.
 */

const on = () => new AlwaysOnSampler();
const off = () => new AlwaysOffSampler();
const ratioed = (ratio: number) => new TraceIdRatioBasedSampler(ratio);
const asParent = (root: (ratio: number) => Sampler) => (ratio: number) => new ParentBasedSampler({ root: root(ratio) });

/** Values of OTEL_TRACES_SAMPLER. */
const samplers = {
  always_on: on,
  always_off: off,
  traceidratio: ratioed,
  parentbased_always_on: asParent(on),
  parentbased_always_off: asParent(off),
  parentbased_traceidratio: asParent(ratioed),
} as const satisfies Record<string, (ratio: number) => Sampler>;

const Name = v.picklist(Object.keys(samplers) as (keyof typeof samplers)[], 'one of the samplers of OpenTelemetry');
/** JSON is what is sent, and what a collector takes wherever it takes protobuf. */
const Protocol = v.picklist(['http/json', 'http/protobuf'], 'http/json: the collector has to take OTLP over HTTP');
const Ratio = v.pipe(
  v.string(),
  v.regex(/^[01](\.\d{1,17})?$|^\.\d{1,17}$/, 'a number from 0 to 1'),
  v.transform(Number),
  v.maxValue(1, 'a number from 0 to 1'),
);
const Count = v.pipe(v.string(), v.regex(/^[1-9]\d{0,8}$/, 'a whole number above 0'), v.transform(Number));

/** Options of the batches in which spans are exported, in milliseconds and numbers of spans, by their variables. */
const batchOptions = {
  OTEL_BSP_SCHEDULE_DELAY: 'scheduledDelayMillis',
  OTEL_BSP_EXPORT_TIMEOUT: 'exportTimeoutMillis',
  OTEL_BSP_MAX_QUEUE_SIZE: 'maxQueueSize',
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: 'maxExportBatchSize',
} as const;

/** Reads which spans are kept, and how they are put together for export. */
export function readSettings(env: NodeJS.ProcessEnv, log: Log) {
  function read<Value>(name: string, schema: v.GenericSchema<string, Value>): Value | undefined {
    const value = env[name]?.trim();
    if (!value) return undefined;
    const parsed = v.safeParse(schema, value);
    if (parsed.success) return parsed.output;
    log.warn('variable ignored', { name, value, hint: `must be ${parsed.issues[0].message}` });
    return undefined;
  }
  for (const name of ['OTEL_EXPORTER_OTLP_PROTOCOL', 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL']) read(name, Protocol);
  const sampler = samplers[read('OTEL_TRACES_SAMPLER', Name) ?? 'parentbased_always_on'];
  const batches: Partial<Record<(typeof batchOptions)[keyof typeof batchOptions], number>> = {};
  for (const [variable, option] of Object.entries(batchOptions)) {
    const value = read(variable, Count);
    if (value !== undefined) batches[option] = value;
  }
  return { sampler: sampler(read('OTEL_TRACES_SAMPLER_ARG', Ratio) ?? 1), batches };
}
