/** Entry of the script that exports traces: OpenTelemetry's SDK, configured from the environment. */
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
  type BatchSpanProcessorOptions,
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

/** Milliseconds for the last export: a stop does not wait longer for the collector. */
const closeTimeoutMs = 2_000;
/** Characters of an attribute. The longest useful one is the URL of a search by mark. */
const maxAttributeCharacters = 2048;

/**
 * Starts to export traces. The exporter reads its own variables, OTEL_EXPORTER_OTLP_*, from the process's environment.
 */
export function openTracing({ env, node, log }: TracingDeps): Tracing {
  passOn(log, 'warn');
  const { sampler, batches } = readSettings(env, log);
  const exporter = warnOfLoss(new OTLPTraceExporter(), log);
  const provider = new TracerProvider({
    resource: resourceOf(node),
    sampler,
    spanLimits: { attributeValueLengthLimit: maxAttributeCharacters },
    spanProcessors: [new BatchSpanProcessor({ exporter, ...batches })],
  });
  passOn(log, 'debug');
  const late = () => delay(closeTimeoutMs, undefined, { ref: false });
  const close = () => Promise.race([provider.shutdown().catch(() => undefined), late()]);
  return new Spans(provider.getTracer('infoblox-cni', version), close);
}

/** Describes the service. The environment's attributes override ours. */
function resourceOf(node: string): Resource {
  const own = { 'service.name': 'infoblox-cni-daemon', 'service.version': version, 'host.name': node };
  const detectors = [resourceAttributesEnvDetector, serviceNameEnvDetector];
  return defaultResource().merge(resourceFromAttributes(own)).merge(detectResources({ detectors }));
}

/** Logs the SDK's messages. Once the settings are read they go to debug, since they only repeat `warnOfLoss`. */
function passOn(log: Log, level: 'warn' | 'debug'): void {
  const write = (text: string) => log[level]('message of OpenTelemetry', { text });
  const nothing = () => undefined;
  const logger = { error: write, warn: write, info: nothing, debug: nothing, verbose: nothing };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}

/** Milliseconds between two warnings. */
const warningPauseMs = 600_000;

/**
 * Wraps an exporter to warn of lost spans: at the first loss, then every ten minutes while losses go on.
 * @param now milliseconds, monotonic
 */
export function warnOfLoss(exporter: SpanExporter, log: Log, now = () => performance.now()): SpanExporter {
  let lost = 0;
  let warnedAt = Number.NEGATIVE_INFINITY;
  const failed = (spans: number, error: unknown) => {
    lost += spans;
    if (now() - warnedAt < warningPauseMs) return;
    const hint = 'calls are not affected; check that the collector runs, and OTEL_EXPORTER_OTLP_ENDPOINT';
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

/**
 * Explains an export error. A refused connection to a name with several addresses has a code and no text; an HTTP
 * status is a code, too.
 */
function reasonOf(error: unknown): string {
  const code = errnoOf(error) ?? (error instanceof Error && 'code' in error ? error.code : undefined);
  return [code, messageOf(error)].filter((part) => part !== undefined && part !== '').join(': ');
}

const samplers: Readonly<Record<string, (ratio: number) => Sampler>> = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: (ratio) => new TraceIdRatioBasedSampler(ratio),
};
const samplerNames = Object.keys(samplers).flatMap((name) => [name, `parentbased_${name}`]);

/** We send JSON, which a collector accepts wherever it accepts protobuf. */
const Protocol = v.picklist(['http/json', 'http/protobuf'], 'http/json: the collector has to accept OTLP over HTTP');
const Count = v.pipe(v.string(), v.regex(/^[1-9]\d{0,8}$/, 'a whole number above 0'), v.transform(Number));

/** Variables that the SDK does not read itself (OpenTelemetry, "Environment Variable Specification"). */
const Variables = v.object({
  OTEL_EXPORTER_OTLP_PROTOCOL: Protocol,
  OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: Protocol,
  OTEL_TRACES_SAMPLER: v.picklist(samplerNames, "one of OpenTelemetry's samplers"),
  OTEL_TRACES_SAMPLER_ARG: v.pipe(
    v.string(),
    v.regex(/^[01](\.0{0,17})?$|^0?\.\d{1,17}$/, 'a number from 0 to 1'),
    v.transform(Number),
  ),
  OTEL_BSP_SCHEDULE_DELAY: Count,
  OTEL_BSP_EXPORT_TIMEOUT: Count,
  OTEL_BSP_MAX_QUEUE_SIZE: Count,
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: Count,
});

/** Reads the settings for sampling and batching. Malformed values are ignored, with a warning. */
export function readSettings(env: NodeJS.ProcessEnv, log: Log) {
  const given: Partial<v.InferOutput<typeof Variables>> = {};
  for (const [name, schema] of Object.entries(Variables.entries)) {
    const value = env[name]?.trim();
    if (!value) continue;
    const parsed = v.safeParse(schema, value);
    if (parsed.success) Object.assign(given, { [name]: parsed.output });
    else log.warn('variable ignored', { name, value, hint: `must be ${parsed.issues[0].message}` });
  }
  const { OTEL_TRACES_SAMPLER: name = 'parentbased_always_on', OTEL_TRACES_SAMPLER_ARG: ratio = 1 } = given;
  const root = samplers[name.replace('parentbased_', '')]?.(ratio) ?? new AlwaysOnSampler();
  // undefined means the SDK's default.
  const batches = {
    scheduledDelayMillis: given.OTEL_BSP_SCHEDULE_DELAY,
    exportTimeoutMillis: given.OTEL_BSP_EXPORT_TIMEOUT,
    maxQueueSize: given.OTEL_BSP_MAX_QUEUE_SIZE,
    maxExportBatchSize: given.OTEL_BSP_MAX_EXPORT_BATCH_SIZE,
  } as Omit<BatchSpanProcessorOptions, 'exporter'>;
  return { sampler: name.startsWith('parentbased_') ? new ParentBasedSampler({ root }) : root, batches };
}
