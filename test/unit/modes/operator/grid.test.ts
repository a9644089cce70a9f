import { expect, test } from 'vitest';
import type { Transport } from '../../../../src/infoblox/wapi/connection/transport.ts';
import { type Request, writes } from '../../../../src/infoblox/wapi/request.ts';
import { type ClockReading, lookingTransport } from '../../../../src/modes/operator/grid.ts';

const readings: ClockReading[] = [];
const passed: string[] = [];
const transport: Transport = {
  async exchange({ method, url }) {
    passed.push(`${method} ${url}`);
    return { status: 200, body: '[]', setCookie: [], date: 'Tue, 01 Jan 2030 00:00:00 GMT' };
  },
  close: async () => {},
};
const looking = lookingTransport(transport, (reading) => readings.push(reading));

/** Sends a request, as a session would. */
function send(method: Request['method'], path: string, _function?: string) {
  const request: Request = { method, path, ...(_function !== undefined && { query: { _function } }) };
  const url = `https://grid/wapi/v2.3/${path}`;
  const signal = AbortSignal.timeout(1_000);
  return looking.exchange({ method, url, about: path, writes: writes(request), headers: {}, signal });
}

test.each<Parameters<typeof send>>([
  ['GET', 'network'],
  ['POST', 'network/a:b', 'next_available_ip'],
  ['POST', 'networkcontainer/a:b', 'next_available_network'],
  ['POST', 'logout'],
])('%s %s is a look, and passes', async (method, path, name) => {
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

test('each answer tells what time it is on the grid', () => {
  expect(readings.length).toBeGreaterThan(0);
  for (const { grid } of readings) expect(grid).toBe(Date.parse('2030-01-01T00:00:00Z'));
});
