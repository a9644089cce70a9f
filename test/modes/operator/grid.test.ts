import { expect, test } from 'vitest';
import type { Exchange, Transport } from '../../../src/infoblox/wapi/connection/transport.ts';
import { type ClockReading, lookingTransport } from '../../../src/modes/operator/grid.ts';

const url = 'https://grid/wapi/v2.3';
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
const exchange = (method: Exchange['method'], path: string) =>
  looking.exchange({ method, url: `${url}/${path}`, headers: {}, signal: AbortSignal.timeout(1_000) });

test.each<[Exchange['method'], string]>([
  ['GET', 'network?network_view=default'],
  ['POST', 'network/a:b?_function=next_available_ip'],
  ['POST', 'networkcontainer/a:b?_function=next_available_network'],
  ['POST', 'logout'],
])('%s %s is a look, and passes', async (method, path) => {
  await exchange(method, path);
  expect(passed).toContain(`${method} ${url}/${path}`);
});

test.each<[Exchange['method'], string]>([
  ['POST', 'fixedaddress'],
  ['POST', 'network/a:b?_function=resize'],
  ['PUT', 'network/a:b'],
  ['DELETE', 'fixedaddress/a:b'],
])('%s %s could change the grid, and is never sent', async (method, path) => {
  const before = passed.length;
  await expect(exchange(method, path)).rejects.toThrow('must change nothing on the grid');
  expect(passed).toHaveLength(before);
});

test('each answer tells what time it is on the grid', () => {
  expect(readings.length).toBeGreaterThan(0);
  for (const { grid } of readings) expect(grid).toBe(Date.parse('2030-01-01T00:00:00Z'));
});
