import type { SpanExporter } from '@opentelemetry/sdk-trace';
import { beforeEach, expect, test } from 'vitest';
import { warnOfLoss } from '../../../../../src/modes/daemon/tracing/open-telemetry.ts';
import type { LogLine } from '../../../../fixture/host.ts';

type Spans = Parameters<SpanExporter['export']>[0];
type Result = Parameters<Parameters<SpanExporter['export']>[1]>[0];

const minute = 60_000;
const lines: LogLine[] = [];
let now: number;
let result: Result;
let exporter: SpanExporter;

beforeEach(() => {
  lines.length = 0;
  now = 0;
  const write =
    (level: string) =>
    (message: string, details: LogLine['details'] = {}) => {
      lines.push({ level, message, details });
    };
  const log = { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
  const inner: SpanExporter = { export: (_, end) => end(result), shutdown: async () => undefined };
  exporter = warnOfLoss(inner, log, () => now);
});

/** Exports `count` spans. @returns the result for the SDK */
function exportSpans(count: number): Result | undefined {
  let told: Result | undefined;
  exporter.export(Array(count).fill({}) as Spans, (end) => {
    told = end;
  });
  return told;
}

test('a successful export is not logged', () => {
  result = { code: 0 };
  expect(exportSpans(2)).toEqual({ code: 0 });
  expect(lines).toEqual([]);
});

test('failed exports cause one warning in ten minutes, with the number of lost spans', () => {
  result = { code: 1, error: Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }) };
  for (now = 0; now < 25 * minute; now += minute) expect(exportSpans(3)).toBe(result);
  expect(lines.map(({ level, message, details }) => [level, message, details.reason, details.spans])).toEqual([
    ['warn', 'traces cannot be exported', 'ECONNREFUSED: connect', 3],
    ['warn', 'traces cannot be exported', 'ECONNREFUSED: connect', 30],
    ['warn', 'traces cannot be exported', 'ECONNREFUSED: connect', 30],
  ]);
});

test.each([
  [Object.assign(new Error('Not Found'), { code: 404 }), '404: Not Found'],
  [new Error('Request timed out'), 'Request timed out'],
  [Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }), 'ECONNREFUSED'],
])('the reason for %s has its code and its text', (error, reason) => {
  result = { code: 1, error };
  exportSpans(1);
  expect(lines).toMatchObject([{ details: { reason } }]);
});
