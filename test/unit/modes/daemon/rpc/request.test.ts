import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CniError } from '../../../../../src/cni/errors.ts';
import { parseRequest } from '../../../../../src/modes/daemon/rpc/request.ts';
import { type Call, protocolVersion, requestFrame } from '../../../../../src/modes/protocol.ts';

const call: Call = {
  ...{
    protocol: protocolVersion,
    release: '1.2.3',
    callId: 'a1b2c3d4',
    containerId: 'c1',
    ifName: 'eth0',
    netns: '/run/netns/a',
    args: '',
  },
  config: { name: 'net-1', ipam: { type: 'infoblox' } },
};

test('a request of the plugin parses to the same call', () => {
  for (const method of ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'] as const) {
    const frame = requestFrame(method, call);
    expect(frame.indexOf('\n')).toBe(frame.length - 1);
    expect(parseRequest(frame)).toMatchObject({ method, params: call });
  }
});

test.each([
  [protocolVersion + 1, 'Upgrade the daemon: '],
  [protocolVersion - 1, 'Upgrade the plugin: '],
])(
  'the error for a plugin of protocol %i says which side to upgrade, whatever else its request contains',
  (protocol, hint) => {
    const text = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'NEW', params: { protocol, release: '9.9.9' } });
    expect(() => parseRequest(text)).toThrow(CniError);
    expect(() => parseRequest(text)).toThrow(
      expect.objectContaining({
        message: `the plugin (release 9.9.9) speaks protocol ${protocol}, the daemon protocol ${protocolVersion}`,
        details: expect.stringContaining(hint),
      }),
    );
  },
);

test.each([
  ['', /JSON/],
  ['garbage', /JSON/],
  ['{"jsonrpc":"2.0"', /JSON/],
  ['null', /not a valid request/],
  ['[]', /not a valid request/],
  ['{}', /not a valid request: (jsonrpc|it) is/],
  [requestFrame('ADD', call).replace('"2.0"', '"1.0"'), /jsonrpc is "1\.0"/],
  [requestFrame('VERSION', call), /method is "VERSION"/],
  [requestFrame('toString', call), /method is "toString"/],
  [
    JSON.stringify({ ...JSON.parse(requestFrame('ADD', call)), params: { ...call, containerId: 7 } }),
    /params\.containerId is 7/,
  ],
  [
    JSON.stringify({ ...JSON.parse(requestFrame('ADD', call)), params: { ...call, config: null } }),
    /params\.config is null/,
  ],
  [
    JSON.stringify({ ...JSON.parse(requestFrame('ADD', call)), params: { ...call, protocol: '1' } }),
    /params\.protocol is "1"/,
  ],
])('%s is not a request', (text, message) => {
  expect(() => parseRequest(text)).toThrow(SyntaxError);
  expect(() => parseRequest(text)).toThrow(message);
});

test('any text is parsed as a request or refused', () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc.string().map((rest) => requestFrame('ADD', call).slice(0, -30) + rest),
  );
  fc.assert(
    fc.property(text, (any) => {
      try {
        expect(parseRequest(any).params.protocol).toBe(protocolVersion);
      } catch (error) {
        expect(error instanceof SyntaxError || error instanceof CniError).toBe(true);
      }
    }),
  );
});

describe('the trace context of a request', () => {
  const valid = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const traceOf = (traceparent: unknown, tracestate?: unknown) => {
    const frame = requestFrame('ADD', { ...call, traceparent, tracestate } as Call);
    const { params } = parseRequest(frame);
    return [params.traceparent, params.tracestate];
  };

  test.each([valid, valid.replace(/01$/, '00'), `cc${valid.slice(2)}`, `01${valid.slice(2)}-what-is-new`])(
    'is accepted: %s',
    (traceparent) => {
      expect(traceOf(traceparent, 'vendor=1,other=2')).toEqual([traceparent, 'vendor=1,other=2']);
    },
  );

  test.each([
    [''],
    [7],
    [null],
    [['00']],
    [valid.toUpperCase()],
    [`ff${valid.slice(2)}`],
    [`${valid}-more`],
    [`${valid}\n`],
    [` ${valid}`],
    [valid.slice(0, -1)],
    [`01${valid.slice(2)}more`],
    [valid.replace(/-0af7\w+-/, `-${'0'.repeat(32)}-`)],
    [valid.replace(/-b7ad\w+-/, `-${'0'.repeat(16)}-`)],
    [`01${valid.slice(2)}-${'x'.repeat(512)}`],
  ])('is ignored, and the request is served without it: %j', (traceparent) => {
    expect(traceOf(traceparent)).toEqual([undefined, undefined]);
  });

  test('is accepted without a state that is too long or not text', () => {
    for (const tracestate of [`vendor=${'x'.repeat(512)}`, 7, null, {}]) {
      expect(traceOf(valid, tracestate)).toEqual([valid, undefined]);
    }
  });
});
