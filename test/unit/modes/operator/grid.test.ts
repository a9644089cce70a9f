import { expect, test } from 'vitest';
import type { Transport } from '../../../../src/infoblox/wapi/connection/transport.ts';
import { type Request, writes } from '../../../../src/infoblox/wapi/request.ts';
import { observed, resolveAny } from '../../../../src/modes/daemon/grid-access.ts';
import { type ClockReading, looking } from '../../../../src/modes/operator/grid.ts';

const readings: ClockReading[] = [];
const passed: string[] = [];
const transport: Transport = {
  async exchange({ method, url }) {
    passed.push(`${method} ${url}`);
    return { status: 200, body: '[]', setCookie: [], date: 'Tue, 01 Jan 2030 00:00:00 GMT' };
  },
  close: async () => {},
};
const transportToLook = observed(transport, [looking((reading) => readings.push(reading))]);

/** Sends a request like a session. */
function send(method: Request['method'], path: string, _function?: string) {
  const request: Request = { method, path, ...(_function !== undefined && { query: { _function } }) };
  const url = `https://grid/wapi/v2.3/${path}`;
  const signal = AbortSignal.timeout(1_000);
  return transportToLook.exchange({ method, url, about: path, writes: writes(request), headers: {}, signal });
}

const coded = (code: string) => Promise.reject(Object.assign(new Error(code), { code }));
const never = () => new Promise<never>(() => {});

test.each<[string, string[], (name: string) => Promise<unknown>, RegExp | undefined]>([
  [
    'does not exist',
    ['grid.invalid'],
    () => coded('ENOTFOUND'),
    /^cannot connect to the grid at grid\.invalid:443: no such host$/,
  ],
  ['gets no answer of the resolver', ['grid.example'], never, /grid\.example:443: the resolver does not answer$/],
  [
    'does not exist, while another one does',
    ['a', 'b'],
    (name) => (name === 'a' ? coded('ENOTFOUND') : Promise.resolve()),
    undefined,
  ],
  ['is an address', ['[2001:db8::1]', '192.0.2.1'], () => coded('ENOTFOUND'), undefined],
])('the look-up of a host name that %s ends within three seconds', async (_, gridHosts, resolve, expected) => {
  const began = performance.now();
  const error = await resolveAny({ gridHosts, wapiPort: 443 }, resolve).catch((error) => error);
  if (expected === undefined) expect(error).toBeUndefined();
  else
    expect(error).toMatchObject({
      message: expect.stringMatching(expected),
      hint: expect.stringContaining('resolver'),
    });
  expect(performance.now() - began).toBeLessThan(3_000);
});

test.each<Parameters<typeof send>>([
  ['GET', 'network'],
  ['POST', 'network/a:b', 'next_available_ip'],
  ['POST', 'networkcontainer/a:b', 'next_available_network'],
  ['POST', 'logout'],
])('%s %s only reads, and is sent', async (method, path, name) => {
  await send(method, path, name);
  expect(passed).toContain(`${method} https://grid/wapi/v2.3/${path}`);
});

test.each<Parameters<typeof send>>([
  ['POST', 'fixedaddress'],
  ['POST', 'network/a:b', 'resize'],
  ['PUT', 'network/a:b'],
  ['DELETE', 'fixedaddress/a:b'],
])('%s %s could change the grid, and is never sent', async (method, path, name) => {
  const before = passed.length;
  await expect(send(method, path, name)).rejects.toThrow('must change nothing on the grid');
  expect(passed).toHaveLength(before);
});

test('each answer gives the time of the grid', () => {
  expect(readings.length).toBeGreaterThan(0);
  for (const { grid } of readings) expect(grid).toBe(Date.parse('2030-01-01T00:00:00Z'));
});
