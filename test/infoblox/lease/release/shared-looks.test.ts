/** Many releases at once: what they have on the grid is looked for together. */
import { expect, test } from 'vitest';
import { until } from '../../../fixture/host.ts';
import type { Effect, RequestRecord } from '../../../simulator/grid.ts';
import { held, useGridAndHost } from '../../grid-and-host.ts';

const fixture = useGridAndHost({}, { doubtWindow: { recheck: 100, end: 400 } });
const many = 40;

const isShared = ({ method, query }: RequestRecord) => method === 'GET' && query['comment~']?.startsWith('^(') === true;
const isLook = ({ method, type }: RequestRecord) => method === 'GET' && type === 'fixedaddress';

/** Containers that are deleted while the grid is away. */
async function owe(containers = many): Promise<void> {
  const { grid, host } = fixture;
  for (let n = 0; n < containers; n += 1) await host.add(`c${n}`);
  await grid.pause();
  for (let n = 0; n < containers; n += 1) await host.call('DEL', `c${n}`);
  grid.clearLog();
}

async function payBack(): Promise<void> {
  await fixture.grid.resume();
  await until('only the gateway is left', () => held(fixture.grid).length === 1, 20_000);
}

const count = (matches: (request: RequestRecord) => boolean) => fixture.grid.requests.filter(matches).length;

test('a backlog costs the grid a few searches and the deletes', async () => {
  await owe();
  await payBack();
  expect(count(isLook)).toBeLessThan(many / 2);
  expect(count(({ method }) => method === 'DELETE')).toBe(many);
});

test('one release is looked for alone', async () => {
  const { host, grid } = fixture;
  await host.add('c1');
  grid.clearLog();
  await host.del('c1');
  expect(held(grid)).toHaveLength(1);
  expect([count(isShared), count(isLook)]).toEqual([0, 1]);
});

test('all that carries a mark is removed', async () => {
  const { grid } = fixture;
  await owe();
  const mark = grid.fixedAddresses().find(({ comment }) => comment?.includes('container=c0 '))?.comment ?? '';
  const reservation = { match_client: 'RESERVED', mac: '00:00:00:00:00:00', comment: mark };
  grid.add('fixedaddress', { ipv4addr: '10.0.0.200', network_view: 'default', ...reservation });
  await payBack();
  expect(count(({ method }) => method === 'DELETE')).toBe(many + 1);
});

test.each<[string, Effect]>([
  ['finds nothing', { kind: 'alter', answer: () => '{"result": []}' }],
  [
    'is refused',
    { kind: 'status', status: 400, contentType: 'application/json', body: '{"Error": "AdmConProtoError"}' },
  ],
  ['makes the grid fail', { kind: 'status', status: 500 }],
  ['is not answered', { kind: 'hang' }],
])('where such a search %s, each is looked for alone', async (_, effect) => {
  await owe();
  fixture.grid.inject({ times: 1_000, when: isShared, effect });
  await payBack();
  expect(count(isShared)).toBeLessThanOrEqual(10);
});

test('a container that has come back meanwhile, and gone with another address, is looked for anew', async () => {
  const { grid, host } = fixture;
  const other = await fixture.another({ node: 'host-b' }).start();
  await other.add('warm');
  await owe(10);
  const answered = Promise.withResolvers<void>();
  grid.inject({ when: isShared, effect: { kind: 'answer-late', after: answered.promise } });
  await grid.resume();
  await until('they are looked for', () => count(isShared) === 1);
  const back = 'c9';
  const before = grid.fixedAddresses().find(({ comment }) => comment?.includes(`container=${back} `))?.ipv4addr ?? '';
  await host.add(back, { args: 'IP=10.0.0.200' });
  await host.call('DEL', back);
  await other.add('stranger', { args: `IP=${before}` });
  answered.resolve();
  await until('all is given back', () => held(grid).length === 3, 20_000);
  expect(held(grid)).toContain(before);
});
