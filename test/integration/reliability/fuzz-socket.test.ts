/**
 * The daemon survives any bytes on the socket. It answers every line, hangs up on anything else, and releases every address
 * that it gave.
 */
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { maxFrameBytes, protocolVersion } from '../../../src/modes/protocol.ts';
import { startWorld, type World } from '../../fixture/world.ts';

let world: World;

beforeAll(async () => {
  world = await startWorld({ flags: ['--add-timeout=3s'] });
});
afterAll(() => world.end());

/** Duration of each property in milliseconds. */
const budget = 2_500;
const assertion = { numRuns: 100_000, interruptAfterTimeLimit: budget, markInterruptAsFailure: false };

/** Sends bytes. @returns everything that comes back after the acceptance until the daemon hangs up */
function send(bytes: Uint8Array | string, { andEnd = false } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(world.host.socket);
    let text = '';
    const late = setTimeout(() => reject(new Error('no answer and no hang-up within 7 s')), 7_000);
    socket.on('data', (chunk) => {
      text = `${text}${chunk}`.replace(/^.*"method":"accepted".*\n/, '');
      if (text.endsWith('\n')) socket.end();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(late);
      resolve(text);
    });
    if (andEnd) socket.end(bytes);
    else socket.write(bytes);
  });
}

interface Answer {
  readonly jsonrpc: '2.0';
  readonly error?: { readonly code: number; readonly message: string };
  /** Returns the address of a result. Up to CNI 0.2.0 it is in `ip4`. */
  readonly result?: { readonly ips?: readonly unknown[]; readonly ip4?: unknown };
}

function parse(text: string): Answer {
  expect(text.endsWith('\n')).toBe(true);
  const answer = JSON.parse(text) as Answer;
  expect(answer.jsonrpc).toBe('2.0');
  if (answer.error !== undefined) {
    expect(Number.isInteger(answer.error.code)).toBe(true);
    expect(answer.error.message).not.toBe('');
  }
  return answer;
}

async function stillServes(): Promise<void> {
  expect(await world.caller.add('sane')).toBe('ok');
  expect(await world.caller.del('sane')).toBe('ok');
  await world.ledger.settled();
}

test('any bytes in a line are answered with an error', async () => {
  const line = fc
    .uint8Array({ maxLength: 300 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 10 ? 0 : byte))));
  const property = fc.asyncProperty(line, async (bytes) => {
    expect(parse(await send(Buffer.concat([bytes, Buffer.from('\n')]))).error?.code).toBe(100);
  });
  await fc.assert(property, assertion);
  await stillServes();
});

test('any JSON in a line is answered with an error', async () => {
  const property = fc.asyncProperty(fc.json({ maxDepth: 5 }), async (text) => {
    expect(parse(await send(`${text.replaceAll('\n', ' ')}\n`)).error).toBeDefined();
  });
  await fc.assert(property, assertion);
  await stillServes();
});

/** A valid request with one or several members replaced by anything. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', 'c1', 'eth0', '../../etc', '\0', 'a'.repeat(5_000)),
);
const almostGood = fc
  .record({
    method: fc.constantFrom('ADD', 'DEL', 'CHECK', 'GC', 'STATUS'),
    containerId: text,
    ifName: text,
    netns: text,
    args: fc.oneof(text, fc.constantFrom('IP=10.0.0.77', 'K8S_POD_NAME=\r\nx', 'IP=::1;IgnoreUnknown=1')),
    config: fc.record(
      {
        name: fc.oneof(text, fc.constant('net-1')),
        cniVersion: fc.oneof(text, fc.constantFrom('0.2.0', '1.0.0', '1.1.0')),
        prevResult: fc.jsonValue(),
        runtimeConfig: fc.jsonValue(),
        'cni.dev/valid-attachments': fc.jsonValue(),
        ipam: fc.record(
          {
            type: fc.constant('infoblox'),
            subnet: fc.oneof(fc.constant('10.0.0.0/24'), fc.ipV4(), fc.jsonValue()),
            gateway: fc.oneof(fc.constant('10.0.0.1'), fc.ipV4(), fc.jsonValue()),
            routes: fc.jsonValue(),
            'network-view': fc.oneof(fc.constant('default'), text),
            'prefix-length': fc.jsonValue(),
          },
          { requiredKeys: ['type', 'subnet'] },
        ),
      },
      { requiredKeys: ['name', 'cniVersion', 'ipam'] },
    ),
  })
  .map(({ method, ...params }) => ({
    method,
    params: { protocol: protocolVersion, release: 'fuzz', callId: 'f0022f00', ...params },
  }));

test('any call, however odd its values, is answered, and its DEL releases the address', async () => {
  const property = fc.asyncProperty(almostGood, async ({ method, params }) => {
    const request = (command: string) => `${JSON.stringify({ jsonrpc: '2.0', id: 1, method: command, params })}\n`;
    const answer = parse(await send(request(method)));
    if (method === 'ADD' && answer.error === undefined) {
      expect(answer.result?.ips?.length ?? Number(answer.result?.ip4 !== undefined)).toBe(1);
      expect(parse(await send(request('DEL'))).error).toBeUndefined();
    }
  });
  await fc.assert(property, assertion);
  await stillServes();
});

test('a caller that never completes a line is disconnected, after nothing, half a request or too much', async () => {
  expect(await send('', { andEnd: true })).toBe('');
  expect(await send('{"jsonrpc":"2.0","id":1,"method":"ADD"', { andEnd: true })).toBe('');
  expect(await send(Buffer.alloc(maxFrameBytes + 2, 'x'))).toBe('');
  await stillServes();
});
