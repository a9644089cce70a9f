import { beforeEach, expect, test } from 'vitest';
import { readSettings } from '../../../../../src/modes/daemon/tracing/open-telemetry.ts';
import { noTracing, openTracing } from '../../../../../src/modes/daemon/tracing/tracing.ts';

const warnings: unknown[] = [];
const nothing = () => undefined;
const log = {
  error: nothing,
  info: nothing,
  debug: nothing,
  warn: (_: string, fields = {}) => void warnings.push(fields),
};

beforeEach(() => {
  warnings.length = 0;
});

test.each([
  [{}, 'ParentBased{root=AlwaysOnSampler'],
  [{ OTEL_TRACES_SAMPLER: 'always_on' }, 'AlwaysOnSampler'],
  [{ OTEL_TRACES_SAMPLER: 'always_off' }, 'AlwaysOffSampler'],
  [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' }, 'TraceIdRatioBased{0.25}'],
  [{ OTEL_TRACES_SAMPLER: 'traceidratio' }, 'TraceIdRatioBased{1}'],
  [{ OTEL_TRACES_SAMPLER: 'parentbased_always_on' }, 'ParentBased{root=AlwaysOnSampler'],
  [{ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, 'ParentBased{root=AlwaysOffSampler'],
  [
    { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '.5' },
    'ParentBased{root=TraceIdRatioBased{0.5}',
  ],
])('%o samples by %s', (env, sampler) => {
  expect(String(readSettings(env, log).sampler)).toContain(sampler);
  expect(warnings).toEqual([]);
});

test('batches follow the variables, and the defaults of the SDK for the rest', () => {
  const env = { OTEL_BSP_SCHEDULE_DELAY: '1000', OTEL_BSP_MAX_QUEUE_SIZE: '512', OTEL_BSP_EXPORT_TIMEOUT: '' };
  expect(readSettings(env, log).batches).toEqual({ scheduledDelayMillis: 1000, maxQueueSize: 512 });
});

test.each([
  ['OTEL_TRACES_SAMPLER', 'sometimes', "must be one of OpenTelemetry's samplers"],
  ['OTEL_TRACES_SAMPLER', 'toString', "must be one of OpenTelemetry's samplers"],
  ['OTEL_TRACES_SAMPLER_ARG', '1.5', 'must be a number from 0 to 1'],
  ['OTEL_TRACES_SAMPLER_ARG', 'half', 'must be a number from 0 to 1'],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', 'must be http/json: the collector has to accept OTLP over HTTP'],
  ['OTEL_BSP_MAX_QUEUE_SIZE', '0', 'must be a whole number above 0'],
  ['OTEL_BSP_SCHEDULE_DELAY', '5s', 'must be a whole number above 0'],
])('%s=%s is ignored, with a warning', (name, value, hint) => {
  const { sampler, batches } = readSettings({ [name]: value }, log);
  expect([String(sampler), batches]).toEqual([String(readSettings({}, log).sampler), {}]);
  expect(warnings).toEqual([{ name, value, hint }]);
});

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };

test.each([
  [{}],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }],
  [{ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }],
  [{ ...endpoint, OTEL_SDK_DISABLED: 'true' }],
])('%o disables all traces', (env) => {
  expect(openTracing({ env, node: 'host-a', log })).toBe(noTracing);
  expect(warnings).toEqual([]);
});

test('an invalid endpoint is ignored, with a warning', () => {
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' };
  expect(openTracing({ env, node: 'host-a', log })).toBe(noTracing);
  expect(warnings).toEqual([
    { hint: expect.stringContaining('set OTEL_EXPORTER_OTLP_ENDPOINT to an address such as') },
  ]);
});
