/** Traces of the built daemon in an OpenTelemetry collector. */
import { randomBytes } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type CollectedSpan, Collector } from '../fixture/collector.ts';
import { until } from '../fixture/host.ts';
import { type Grid, startGrid } from '../simulator/grid.ts';
import { makeCertificate } from '../simulator/http/certificate.ts';
import { BuiltHost, failure } from './built-host.ts';

const parent = 'b7ad6b7169203331';
/** The trace of each test, and the variables of a runtime that traces its own work. */
let traceId: string;
let caller: { readonly TRACEPARENT: string; readonly TRACESTATE: string };

let grid: Grid;
let host: BuiltHost;
let collector: Collector;

async function makeHost(): Promise<void> {
  grid = await startGrid();
  host = new BuiltHost(grid);
  collector = await Collector.start();
}
async function removeHost(): Promise<void> {
  await host.dispose();
  await collector.stop();
  await grid.stop();
}

beforeEach(() => {
  traceId = randomBytes(16).toString('hex');
  caller = { TRACEPARENT: `00-${traceId}-${parent}-01`, TRACESTATE: 'vendor=1' };
});

/** Starts the daemon with quickly exported traces, and waits until it has found its grid. */
async function start(env: Readonly<Record<string, string>> = {}, flags: readonly string[] = []): Promise<void> {
  const tracing = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_BSP_SCHEDULE_DELAY: '20' };
  await host.start(flags, { ...tracing, ...env });
  await host.daemon.says('grid available');
}

/** Waits for the only span of a name, of the caller's trace unless another one is named. */
async function collected(name: string, trace = traceId): Promise<CollectedSpan> {
  await until(`the span ${name} has come`, () => collector.named(name, trace).length > 0);
  const [span, ...more] = collector.named(name, trace);
  expect(more).toEqual([]);
  if (span === undefined) throw new Error(`no span ${name}`);
  return span;
}

describe('a daemon with a collector', () => {
  beforeAll(async () => {
    await makeHost();
    await start();
  });
  afterAll(removeHost);

  describe('a call', () => {
    test('is part of its caller’s trace, and the requests to the grid are parts of the call', async () => {
      const atStart = ['networkview', 'extensibleattributedef', 'fixedaddress', 'ipv6fixedaddress'];
      const isAnswered = (wanted: string) =>
        grid.requests.some(({ type, status }) => type === wanted && status === 200);
      await until('the daemon has looked around', () => atStart.every(isAnswered));
      grid.clearLog();
      const args = 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1';
      const address = await host.add('c1', { args, env: caller });
      const add = await collected('ADD');
      expect(add).toMatchObject({ parentSpanId: parent, kind: 'server', isError: false, traceState: 'vendor=1' });
      expect(add.attributes).toEqual({
        ...{ 'rpc.system.name': 'jsonrpc', 'rpc.method': 'ADD', 'network.transport': 'unix', 'cni.code': 0 },
        ...{ 'cni.network.name': 'net-1', 'container.id': 'c1', 'network.interface.name': 'eth0' },
        ...{ 'k8s.pod.name': 'web-1', 'k8s.namespace.name': 'shop' },
        ...{ 'infoblox.network_view': 'default', 'infoblox.address': address, 'infoblox.network': '10.0.0.0/24' },
      });
      expect(add.resource).toMatchObject({ 'service.name': 'infoblox-cni-daemon', 'host.name': 'host-a' });
      // The grid's own log of the requests.
      const asked = grid.requests.map(({ method, type, status, path, query }) => ({
        ...{ name: `${method} ${type}`, status, place: `${grid.url}${path}`, query },
      }));
      expect(asked.map(({ name }) => name)).toContain('POST fixedaddress');
      const requests = collector.childrenOf(add);
      const told = requests.map(({ name, attributes }) => {
        const { origin, pathname, searchParams } = new URL(String(attributes['url.full']));
        const query = Object.fromEntries(searchParams);
        return { name, status: attributes['http.response.status_code'], place: `${origin}${pathname}`, query };
      });
      // Simultaneous requests may arrive in any order.
      expect(told).toHaveLength(asked.length);
      expect(told).toEqual(expect.arrayContaining(asked));
      for (const { kind, isError, attributes } of requests) {
        expect(kind).toBe('client');
        expect(isError).toBe(Number(attributes['http.response.status_code']) >= 400);
      }
      expect(requests[0]?.attributes).toMatchObject({ 'server.address': grid.host, 'server.port': grid.port });
    });

    test('has trace_id and span_id in its lines of the log', async () => {
      const ipam = { subnet: '10.1.0.0/24', gateway: '10.1.0.1', nonsense: 1 };
      await host.add('c1', { config: { name: 'net-2' }, ipam, env: caller });
      const { spanId } = await collected('ADD');
      for (const message of ['unknown ipam key ignored', 'created on the grid', 'ADD']) {
        expect(host.daemon.lines).toContainEqual(
          expect.objectContaining({ message, trace_id: traceId, span_id: spanId }),
        );
      }
      expect(host.daemon.lines.find(({ message }) => message === 'listening')).not.toHaveProperty('trace_id');
    });

    test('that fails has the code, and the request that failed it', async () => {
      const body = JSON.stringify({
        Error: 'AdmConProtoError: x',
        code: 'Client.Ibap.Proto',
        text: 'You need permission',
      });
      const effect = { kind: 'status', status: 403, body, contentType: 'application/json' } as const;
      const disarm = grid.inject({ method: 'POST', type: 'fixedaddress', times: 9, effect });
      expect(failure(await host.call('ADD', { containerId: 'c2', env: caller })).code).toBe(103);
      disarm();
      const add = await collected('ADD');
      expect(add).toMatchObject({ isError: true });
      expect(add.attributes).toMatchObject({ 'cni.code': 103, 'rpc.status_code': '103', 'error.type': '103' });
      const last = collector.childrenOf(add).at(-1);
      expect(last).toMatchObject({ name: 'POST fixedaddress', isError: true, attributes: { 'error.type': '403' } });
    });
  });

  describe('a trace context of the caller', () => {
    test.each([
      ['not one', () => ({ TRACEPARENT: 'nonsense' })],
      ['far too long', () => ({ ...caller, TRACEPARENT: `${caller.TRACEPARENT}${'-1'.repeat(60_000)}` })],
      ['a state without a place', () => ({ TRACESTATE: caller.TRACESTATE })],
    ])('that is %s is ignored, and the call succeeds', async (what, env) => {
      const id = what.replaceAll(' ', '-');
      await host.add(id, { env: env() });
      const found = () => collector.named('ADD').find(({ attributes }) => attributes['container.id'] === id);
      await until('the span has come', () => found() !== undefined);
      expect(found()).toMatchObject({ parentSpanId: '', traceState: '' });
      expect(found()?.traceId).not.toBe(traceId);
    });

    test('works without its state if that is missing or far too long', async () => {
      await host.add('c5', { env: { ...caller, TRACESTATE: `vendor=${'1'.repeat(100_000)}` } });
      await host.add('c6', { env: { ...caller, TRACESTATE: '\u001b[31m,,=' } });
      await until('both spans have come', () => collector.named('ADD', traceId).length === 2);
      for (const add of collector.named('ADD', traceId))
        expect(add).toMatchObject({ parentSpanId: parent, traceState: '' });
    });
  });

  describe('a release', () => {
    test('that follows a DEL is part of the same trace, with its lines in the log', async () => {
      await host.add('c3');
      await host.call('DEL', { containerId: 'c3', env: caller });
      const del = await collected('DEL');
      expect(del).toMatchObject({ parentSpanId: parent, attributes: { 'container.id': 'c3', 'cni.code': 0 } });
      const release = await collected('reconcile');
      expect(release.parentSpanId).toBe(del.spanId);
      expect(release.attributes).toMatchObject({ 'infoblox.comment': expect.stringContaining('container=c3 ') });
      expect(collector.childrenOf(release).map(({ name }) => name)).toEqual([
        'GET fixedaddress',
        'DELETE fixedaddress',
      ]);
      expect(host.daemon.lines).toContainEqual(
        expect.objectContaining({ message: 'released', trace_id: traceId, span_id: release.spanId }),
      );
    });

    test('that is retried has a trace for each further attempt, linked to the DEL', async () => {
      await host.add('c4');
      grid.inject({ method: 'DELETE', times: 2, effect: { kind: 'status', status: 403 } });
      await host.call('DEL', { containerId: 'c4', env: caller });
      const del = await collected('DEL');
      expect(await collected('reconcile')).toMatchObject({ isError: true, parentSpanId: del.spanId });
      const linked = () => collector.named('reconcile').filter(({ links: [link] }) => link?.traceId === traceId);
      await until('the second attempt has come', () => linked().length === 1);
      expect(linked()).toMatchObject([{ parentSpanId: '', isError: false, links: [{ spanId: del.spanId }] }]);
    });
  });
});

describe('a daemon of its own', () => {
  beforeEach(makeHost);
  afterEach(removeHost);

  test('has the reason in the span of a request that the grid did not answer', async () => {
    await start({}, ['--add-timeout=3s']);
    await host.add('c1');
    grid.inject({ type: 'fixedaddress', times: 9, effect: { kind: 'hang' } });
    await host.call('ADD', { containerId: 'c2', env: caller });
    const add = await collected('ADD');
    const [request] = collector.childrenOf(add);
    expect(request).toMatchObject({
      name: 'POST fixedaddress',
      isError: true,
      attributes: { 'error.type': 'timeout' },
    });
    expect(request?.attributes).not.toHaveProperty('http.response.status_code');
  });
  test('makes a release part of the trace of its DEL that found no daemon, too', async () => {
    await start();
    await host.add('c1');
    await host.daemon.stop();
    await host.call('DEL', { env: caller });
    await start();
    const del = await collected('DEL');
    expect(del).toMatchObject({ parentSpanId: parent, attributes: { 'container.id': 'c1' } });
    expect((await collected('reconcile')).parentSpanId).toBe(del.spanId);
  });
  test('sends no span of a call that its caller does not sample, and logs it', async () => {
    await start();
    await host.add('c1', { env: { TRACEPARENT: caller.TRACEPARENT.replace(/01$/, '00') } });
    await host.call('DEL', { env: { TRACEPARENT: caller.TRACEPARENT.replace(/01$/, '00') } });
    await host.daemon.says('"message":"released"');
    await host.daemon.stop();
    expect(collector.spans.filter((span) => span.traceId === traceId)).toEqual([]);
    expect(collector.named('reconcile')).toEqual([]);
    expect(host.daemon.lines.find(({ message }) => message === 'ADD')).toMatchObject({ trace_id: traceId });
  });

  describe('the usual variables of OpenTelemetry', () => {
    test('set the service and the headers, and their secrets are not logged', async () => {
      await start(
        {
          OTEL_SERVICE_NAME: 'addresses',
          OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=lab',
          OTEL_EXPORTER_OTLP_HEADERS: 'x-api-key=s3cr3t',
          OTEL_BSP_MAX_QUEUE_SIZE: 'plenty',
        },
        ['--log-level=debug'],
      );
      await host.add('c1', { env: caller });
      const { resource } = await collected('ADD');
      expect(resource).toMatchObject({ 'service.name': 'addresses', 'deployment.environment.name': 'lab' });
      expect(collector.headers[0]).toMatchObject({ 'x-api-key': 's3cr3t' });
      expect(host.daemon.log).not.toContain('s3cr3t');
      expect(host.daemon.lines).toContainEqual(
        expect.objectContaining({ level: 'warn', message: 'variable ignored', name: 'OTEL_BSP_MAX_QUEUE_SIZE' }),
      );
    });

    test('name the certificate of a collector, without which nothing is sent', async () => {
      const { caFile, remove, ...tls } = await makeCertificate();
      const trusted = await Collector.start(tls);
      try {
        await start({ OTEL_EXPORTER_OTLP_ENDPOINT: trusted.endpoint });
        await host.daemon.says('traces cannot be exported');
        expect(trusted.headers).toEqual([]);
        await host.daemon.stop();
        await start({ OTEL_EXPORTER_OTLP_ENDPOINT: trusted.endpoint, OTEL_EXPORTER_OTLP_CERTIFICATE: caFile });
        await host.add('c1', { env: caller });
        await until('the span has come', () => trusted.named('ADD', traceId).length === 1);
        await host.daemon.stop();
        await start({ OTEL_EXPORTER_OTLP_ENDPOINT: trusted.endpoint, OTEL_EXPORTER_OTLP_CERTIFICATE: '/nonexistent' });
        expect(host.daemon.log).toContain('Failed to read root certificate file');
      } finally {
        await trusted.stop();
        await remove();
      }
    });

    test('disable all traces by their sampler', async () => {
      await start({ OTEL_TRACES_SAMPLER: 'always_off' });
      await host.add('c1', { env: caller });
      await host.daemon.stop();
      expect(collector.connections).toBe(0);
    });
  });

  describe('a collector', () => {
    /** Milliseconds until a stop gives up on a collector, with some for the rest. */
    const soon = 6_000;

    async function addsAndStops(): Promise<void> {
      const began = performance.now();
      for (const id of ['c1', 'c2', 'c3']) await host.add(id);
      expect(performance.now() - began).toBeLessThan(soon);
      const stopping = performance.now();
      expect(await host.daemon.stop()).toBe(0);
      expect(performance.now() - stopping).toBeLessThan(soon);
    }

    test('that refuses traces delays no call, and causes one warning', async () => {
      collector.status = 404;
      await start();
      await host.daemon.says('traces cannot be exported');
      await addsAndStops();
      const warnings = host.daemon.lines.filter(({ message }) => message === 'traces cannot be exported');
      expect(warnings).toMatchObject([{ level: 'warn', reason: '404: Not Found', hint: expect.any(String) }]);
    });

    test('that is down delays no call', async () => {
      // The SDK's own time-out is shortened, as it retries until then.
      await start({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_EXPORTER_OTLP_TIMEOUT: '100' });
      await addsAndStops();
      expect(host.daemon.lines).toContainEqual(
        expect.objectContaining({
          message: 'traces cannot be exported',
          reason: expect.stringContaining('ECONNREFUSED'),
        }),
      );
    });

    test('that never answers delays no call', async () => {
      collector.status = undefined;
      await start();
      await addsAndStops();
      expect(collector.headers.length).toBeGreaterThan(0);
    });

    test('gets the remaining traces when the daemon stops', async () => {
      await start({ OTEL_BSP_SCHEDULE_DELAY: '600000' });
      await host.add('c1', { env: caller });
      expect(collector.connections).toBe(0);
      await host.daemon.stop();
      expect(collector.named('ADD', traceId)).toHaveLength(1);
    });
  });

  describe('without an endpoint', () => {
    test('no tracing code is loaded, and the caller’s trace_id is in the log', async () => {
      await host.start([], { OTEL_SERVICE_NAME: 'addresses' });
      await host.add('c1', { env: caller });
      expect(host.daemon.lines).toContainEqual(expect.objectContaining({ message: 'ADD', trace_id: traceId }));
      expect(await isInMemory(host.daemon.pid, fromTheSdk)).toBe(false);
      await host.daemon.stop();
      await start();
      // Proves that the search of the memory works.
      expect(await isInMemory(host.daemon.pid, fromTheSdk)).toBe(true);
    });
  });
});

/** A text that only the SDK contains. */
const fromTheSdk = 'OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE';

/**
 * Tells whether a text is in the memory of a process, without mapped files, as the executable contains all texts. The process is stopped
 * meanwhile, as it would unmap what is being read.
 */
async function isInMemory(pid: number, text: string): Promise<boolean> {
  process.kill(pid, 'SIGSTOP');
  try {
    await until('it has stopped', () => /^State:\s+T/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')));
    return await isInStoppedMemory(pid, text);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}

async function isInStoppedMemory(pid: number, text: string): Promise<boolean> {
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  const own = maps.flatMap((line) => {
    const [, from = '', to = '', file = ''] = /^(\w+)-(\w+) rw\S* \S+ \S+ \d+ *(.*)$/.exec(line) ?? [];
    return from === '' || file.startsWith('/') ? [] : [{ start: Number(`0x${from}`), end: Number(`0x${to}`) - 1 }];
  });
  const wanted = [Buffer.from(text, 'latin1'), Buffer.from(text, 'utf16le')];
  for (const range of own) {
    let before = Buffer.alloc(0);
    for await (const chunk of createReadStream(`/proc/${pid}/mem`, { ...range, highWaterMark: 2 ** 24 })) {
      const piece = Buffer.concat([before, chunk]);
      if (wanted.some((bytes) => piece.includes(bytes))) return true;
      before = piece.subarray(-4 * text.length);
    }
  }
  return false;
}
