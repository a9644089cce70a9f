/** The parents of spans when a call has left timers behind. */
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { beforeEach, expect, test } from 'vitest';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import type { Exchange, Transport } from '../../../../../src/infoblox/wapi/connection/transport.ts';
import { observed } from '../../../../../src/modes/daemon/grid-access.ts';
import { Spans } from '../../../../../src/modes/daemon/tracing/spans.ts';
import { protocolVersion } from '../../../../../src/modes/protocol.ts';
import type { LogLine } from '../../../../fixture/host.ts';

const exchange: Exchange = {
  ...{ method: 'GET', url: 'https://grid.example.com/wapi/v2.3/network?comment=a%20b', headers: {} },
  ...{ about: 'network', writes: false },
  signal: new AbortController().signal,
};
const request = { method: 'STATUS', params: { protocol: protocolVersion, release: 'test' } } as unknown as Parameters<
  Spans['call']
>[0];
const describe = () => ({ network: 'net-1' });

let exporter: InMemorySpanExporter;
let spans: Spans;
let ask: () => Promise<unknown>;
let answer: Transport['exchange'];

beforeEach(() => {
  exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  spans = new Spans(provider.getTracer('test'), async () => undefined);
  answer = async () => ({ status: 200, body: '[]', setCookie: [] });
  const transport = observed({ exchange: (asked) => answer(asked), close: async () => undefined }, [spans.exchange]);
  ask = () => transport.exchange(exchange);
});

/** Lists the ended spans as pairs of parent and name. */
const tree = () => {
  const ended = exporter.getFinishedSpans();
  const nameOf = (id: string | undefined) => ended.find((span) => span.spanContext().spanId === id)?.name;
  return ended.map(({ name, parentSpanContext }) => [nameOf(parentSpanContext?.spanId), name]);
};

test('a request by a timer that a call left behind is not part of the call', async () => {
  let later: Promise<unknown> = Promise.resolve();
  await spans.call(request, describe, async () => {
    await ask();
    later = new Promise((resolve) => setTimeout(resolve, 10)).then(ask);
  });
  await later;
  expect(tree()).toEqual([
    ['STATUS', 'GET network'],
    [undefined, 'STATUS'],
    [undefined, 'GET network'],
  ]);
});

test('an attempt by such a timer is part of the call that made its lease due, and of no other', async () => {
  await spans.call(
    request,
    () => ({}),
    async () => spans.leaseDue('mark-1'),
  );
  let attempts: Promise<unknown> = Promise.resolve();
  await spans.call(
    request,
    () => ({}),
    async () => {
      attempts = new Promise((resolve) => setTimeout(resolve, 10)).then(async () => {
        await spans.attempt('of mark 1', 'mark-1', ask);
        await spans.attempt('of mark 2', 'mark-2', ask);
      });
    },
  );
  await attempts;
  const [first] = exporter.getFinishedSpans();
  const of = (name: string) => exporter.getFinishedSpans().find((span) => span.name === name);
  expect(of('of mark 1')?.parentSpanContext?.spanId).toBe(first?.spanContext().spanId);
  expect(of('of mark 2')?.parentSpanContext).toBeUndefined();
  expect(tree()).toContainEqual(['of mark 2', 'GET network']);
});

test('a lease that an attempt makes due is not part of the trace', async () => {
  await spans.call(request, describe, async () => spans.leaseDue('mark-1'));
  const fail = async () => {
    spans.leaseDue('mark-1');
    throw new GridError('timeout', 'late');
  };
  for (let count = 0; count < 3; count += 1) {
    await expect(spans.attempt('reconcile', 'mark-1', fail)).rejects.toThrow('late');
  }
  const [call, ...attempts] = exporter.getFinishedSpans();
  const ofCall = call?.spanContext();
  expect(attempts.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([
    ofCall?.spanId,
    undefined,
    undefined,
  ]);
  expect(attempts.map(({ links }) => links.map(({ context }) => context.spanId))).toEqual([
    [],
    [ofCall?.spanId],
    [ofCall?.spanId],
  ]);
  expect(attempts[0]?.attributes['error.type']).toBe('timeout');
});

test('only the oldest of countless waiting leases lose their call', async () => {
  await spans.call(request, describe, async () => {
    for (let count = 0; count < 5_000; count += 1) spans.leaseDue(`mark-${count}`);
  });
  await spans.attempt('oldest', 'mark-0', async () => undefined);
  await spans.attempt('newest', 'mark-4999', async () => undefined);
  expect(tree()).toEqual([
    [undefined, 'STATUS'],
    [undefined, 'oldest'],
    ['STATUS', 'newest'],
  ]);
});

test('a line of the log has the IDs of the call under way, and none after it', async () => {
  const lines: LogLine[] = [];
  const write = (message: string, details: LogLine['details'] = {}) => void lines.push({ level: '', message, details });
  const log = spans.correlate({ error: write, warn: write, info: write, debug: write });
  let later: Promise<unknown> = Promise.resolve();
  await spans.call(request, describe, async () => {
    log.info('within', { network: 'net-1' });
    later = new Promise((resolve) => setTimeout(resolve, 10)).then(() => log.info('after'));
  });
  await later;
  const [span] = exporter.getFinishedSpans();
  const ids = { trace_id: span?.spanContext().traceId, span_id: span?.spanContext().spanId };
  expect(lines).toEqual([
    { level: '', message: 'within', details: { network: 'net-1', ...ids } },
    { level: '', message: 'after', details: {} },
  ]);
});
