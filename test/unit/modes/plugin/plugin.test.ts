import { expect, test } from 'vitest';
import { traceContext } from '../../../../src/modes/plugin/plugin.ts';

test('only the trace context of the caller is passed on, unchanged', () => {
  const env = { TRACEPARENT: '00-a-b-01', TRACESTATE: 'vendor=1', BAGGAGE: 'user=1', traceparent: 'other' };
  expect(traceContext(env)).toEqual({ traceparent: '00-a-b-01', tracestate: 'vendor=1' });
  expect(traceContext({})).toEqual({});
});

test('a trace context that is too long is left out', () => {
  expect(traceContext({ TRACEPARENT: 'x'.repeat(513), TRACESTATE: 'x'.repeat(512) })).toEqual({
    tracestate: 'x'.repeat(512),
  });
});
