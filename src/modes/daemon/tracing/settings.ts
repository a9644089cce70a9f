/**
 * What the environment says of traces and the SDK does not read itself: OpenTelemetry specification, "Environment Variable
 * Specification". A value that is none is ignored, with a warning.
 */
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';
import * as v from 'valibot';
import type { Log } from '../../../infoblox/log.ts';

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
