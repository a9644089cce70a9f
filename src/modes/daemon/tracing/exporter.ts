/** Where spans go: to a collector, and if that fails, nowhere. Traces are no reason to hold anything up, nor to fill the log. */
import type { SpanExporter } from '@opentelemetry/sdk-trace';
import { errnoOf, messageOf } from '../../../infoblox/host/errno.ts';
import type { Log } from '../../../infoblox/log.ts';

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
