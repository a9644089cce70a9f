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
import { BatchSpanProcessor, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import { errnoOf, messageOf } from '../../../infoblox/host/errno.ts';
import type { Log } from '../../../infoblox/log.ts';
import { version } from '../../build-info.ts';
import { readSettings } from './settings.ts';
import { Spans } from './spans.ts';
import type { Tracing, TracingDeps } from './tracing.ts';

/** Milliseconds for the last export: a stop does not wait longer for a collector. */
const closeTimeout = 2_000;
/** Characters of an attribute; the longest that is of use is the URL of a search by mark. */
const longestAttribute = 2048;

/** Begins to export traces. The exporter itself reads its variables, OTEL_EXPORTER_OTLP_*, from the process's environment. */
export function openTracing({ env, node, log }: TracingDeps): Tracing {
  const stopWarnings = warnOfSettings(log);
  const { sampler, batches } = readSettings(env, log);
  const exporter = warnOfLoss(new OTLPTraceExporter(), log);
  const provider = new TracerProvider({
    resource: resourceOf(node),
    sampler,
    spanLimits: { attributeValueLengthLimit: longestAttribute },
    spanProcessors: [new BatchSpanProcessor({ exporter, ...batches })],
  });
  stopWarnings();
  const late = () => delay(closeTimeout, undefined, { ref: false });
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
const warningPause = 600_000;

/**
 * Makes an exporter say in the log that spans are lost: when it begins, and every ten minutes while it goes on.
 * @param now milliseconds, monotonic
 */
export function warnOfLoss(exporter: SpanExporter, log: Log, now = () => performance.now()): SpanExporter {
  let lost = 0;
  let warnedAt = Number.NEGATIVE_INFINITY;
  const failed = (spans: number, error: unknown) => {
    lost += spans;
    if (now() - warnedAt < warningPause) return;
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
