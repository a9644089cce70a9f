import { expect, test } from 'vitest';
import { until } from '../../../fixture/host.ts';
import { useGridAndHost } from '../grid-and-host.ts';

/** The number of requests that a host sends to the grid. */
const fixture = useGridAndHost({ attributes: ['VM ID', 'Network Name'] });

const lines = () => fixture.grid.requests.map(({ method, type }) => `${method} ${type}`);
const answered = () => fixture.grid.requests.filter(({ status }) => status > 0).length;
const quiet = () => new Promise((resolve) => setTimeout(resolve, 150));

test('the first start of the daemon costs four requests, two of them for IPv6, and a start with its state two', async () => {
  const { grid, host } = fixture;
  await until('the first contact', () => answered() >= 4);
  await quiet();
  const lists = ['GET fixedaddress', 'GET ipv6fixedaddress'];
  expect(lines().sort()).toEqual(['GET extensibleattributedef', ...lists, 'GET networkview']);
  await host.stop();
  grid.clearLog();
  await host.start();
  await until('the second contact', () => answered() >= 2);
  await quiet();
  expect(lines().sort()).toEqual(['GET extensibleattributedef', 'GET networkview']);
});

test('the life of a container on a known network costs one request for ADD, one for CHECK, two for DEL', async () => {
  const { grid, host } = fixture;
  await host.add('c0');
  await quiet();
  grid.clearLog();
  const address = await host.add('c1');
  expect(lines()).toEqual(['POST fixedaddress']);

  grid.clearLog();
  await host.call('CHECK', 'c1', { config: { prevResult: { ips: [{ address: `${address}/24` }] } } });
  expect(lines()).toEqual(['GET fixedaddress']);

  grid.clearLog();
  await host.del('c1');
  expect(lines()).toEqual(['GET fixedaddress', 'DELETE fixedaddress']);

  grid.clearLog();
  await host.del('c1');
  expect(lines()).toEqual(['GET fixedaddress']);
});

test('a repeated ADD costs one look, a requested address two more in parallel, and STATUS nothing', async () => {
  const { grid, host } = fixture;
  await host.add('c0');
  await quiet();
  grid.clearLog();
  await host.add('c0');
  expect(lines()).toEqual(['GET fixedaddress']);
  grid.clearLog();
  await host.add('c1', { args: 'IP=10.0.0.9' });
  expect(lines()).toEqual(['GET ipv4address', 'GET range', 'POST fixedaddress']);
  grid.clearLog();
  await host.call('STATUS', '');
  await quiet();
  expect(lines()).toEqual([]);
});

test('20 containers one after another cost 20 requests on one connection and one login', async () => {
  const { grid, host } = fixture;
  await host.add('c0');
  await quiet();
  grid.clearLog();
  for (let n = 1; n <= 20; n += 1) await host.add(`c${n}`);
  expect(grid.requests).toHaveLength(20);
  expect(new Set(grid.requests.map(({ connection }) => connection)).size).toBe(1);
  expect({ more: grid.connections, logins: grid.logins }).toEqual({ more: 0, logins: 0 });
});

test('a daemon that stops ends its session', async () => {
  const { grid, host } = fixture;
  await host.add('c0');
  grid.clearLog();
  await host.stop();
  expect(lines()).toEqual(['POST logout']);
});
