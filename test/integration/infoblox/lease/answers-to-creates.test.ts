/** The answer to a create is compared with the request, so that no container gets a wrong address. */
import { beforeEach, describe, expect, test } from 'vitest';
import { until } from '../../../fixture/host.ts';
import { errorOf, held, useGridAndHost, writes } from '../grid-and-host.ts';

const fixture = useGridAndHost({}, { doubtWindow: { recheck: 50, end: 400 } });

beforeEach(async () => {
  await fixture.host.add('c0');
  fixture.grid.clearLog();
});

/** Lets the grid carry creates out, but answer with other fields. */
function answerWith(fields: Record<string, string>, times = Number.POSITIVE_INFINITY): void {
  const answer = (body: string) => JSON.stringify({ ...JSON.parse(body), ...fields });
  fixture.grid.inject({ method: 'POST', type: 'fixedaddress', times, effect: { kind: 'alter', answer } });
}

const creates = () => writes(fixture.grid).filter((line) => line.startsWith('POST fixedaddress'));
const onlyC0 = () => until('only c0 has an address', () => held(fixture.grid).join() === '10.0.0.1,10.0.0.2');

describe('an ADD fails and releases the reservation if the grid answers with', () => {
  test.each([
    ['an address outside the network', { ipv4addr: '169.254.169.254' }, 'which is not a host address of 10.0.0.0/24'],
    ['the address of the network', { ipv4addr: '10.0.0.0' }, 'which is not a host address of 10.0.0.0/24'],
    ['its broadcast address', { ipv4addr: '10.0.0.255' }, 'which is not a host address of 10.0.0.0/24'],
    ['another view', { network_view: 'other' }, 'in view other, asked for one in view default'],
  ])('%s', async (_, fields, wrong) => {
    answerWith(fields);
    expect(await errorOf(fixture.host.add('c1'))).toMatchObject({
      code: 11,
      msg: expect.stringMatching(new RegExp(`^the grid reserved [0-9.]+, ${wrong}$`)),
      details: expect.stringContaining('--grid-host'),
    });
    expect(creates()).toHaveLength(1);
    await onlyC0();
  });

  test('another address than the requested one', async () => {
    answerWith({ ipv4addr: '10.0.0.77' });
    expect(await errorOf(fixture.host.add('c1', { args: 'IP=10.0.0.9' }))).toMatchObject({
      code: 11,
      msg: 'the grid reserved 10.0.0.77, asked for 10.0.0.9',
    });
    expect(creates()).toHaveLength(1);
    await onlyC0();
  });

  test.each(['10.0.0.1', '10.0.0.2'])(
    'the taken address %s again and again, and changes no owner',
    async (ipv4addr) => {
      answerWith({ ipv4addr });
      const before = fixture.grid.fixedAddresses();
      expect(await errorOf(fixture.host.add('c1'))).toMatchObject({
        code: 11,
        msg: `the grid reserved ${ipv4addr}, and does not have it`,
      });
      expect(creates()).toHaveLength(1);
      expect(writes(fixture.grid).filter((line) => line.startsWith('PUT'))).toEqual([]);
      await onlyC0();
      expect(fixture.grid.fixedAddresses()).toEqual(before);
    },
  );
});

test('an ADD fails if the grid answers with another network than its subnet', async () => {
  const { grid, host } = fixture;
  const answer = (body: string) => body.replaceAll('"10.7.0.0/24"', '"169.254.169.0/24"');
  grid.inject({ type: 'network', times: 99, effect: { kind: 'alter', answer } });
  const other = { config: { name: 'net-7' }, ipam: { subnet: '10.7.0.0/24', gateway: undefined } };
  expect(await errorOf(host.add('c1', other))).toMatchObject({
    code: 11,
    msg: 'the grid answered 169.254.169.0/24, asked for network 10.7.0.0/24',
  });
  expect(creates()).toEqual([]);
});

test('an ADD fails if the grid loses the reservation of the gateway repeatedly', async () => {
  const { grid, host } = fixture;
  const lose = () => {
    const gateway = grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === '10.0.0.1');
    if (gateway !== undefined) grid.remove(gateway._ref);
    return false;
  };
  grid.inject({ method: 'POST', type: 'fixedaddress', times: 99, when: lose, effect: { kind: 'empty' } });
  expect(await errorOf(host.add('c1'))).toMatchObject({
    code: 102,
    msg: 'the grid assigned more than 8 addresses of 10.0.0.0/24 that this host, its gateway or other containers have',
  });
  expect(creates()).toHaveLength(9);
  await until('nothing of c1 is left', () => held(grid).join() === '10.0.0.2');
});

test('a late create of an earlier ADD does not replace the requested address', async () => {
  const { grid } = fixture;
  const host = await fixture.another({ node: 'host-b', doubtWindow: { recheck: 1_000, end: 2_000 } }).start();
  // The host learns which attributes the grid accepts, so that the late create is not repeated without them.
  await host.add('c9');
  await host.del('c9');
  grid.inject({ method: 'POST', type: 'fixedaddress', effect: { kind: 'commit-later', after: 500, answer: 'hang' } });
  expect(await errorOf(host.call('ADD', 'c1', { limit: 300 }))).toMatchObject({ code: 11 });
  const isRequested = ({ body }: { readonly body: unknown }) => JSON.stringify(body)?.includes('"10.0.0.9"') ?? false;
  grid.inject({ method: 'POST', when: isRequested, effect: { kind: 'reset' } });
  // The next look follows after the late create.
  grid.inject({ method: 'GET', when: () => grid.requests.some(isRequested), effect: { kind: 'delay', ms: 600 } });
  expect(await host.add('c1', { args: 'IP=10.0.0.9' })).toBe('10.0.0.9');
  await until('the late one has gone back', () => held(grid).join() === '10.0.0.1,10.0.0.2,10.0.0.9');
});

test.each([
  ['the look and the request', 'ipv4address'],
  ['the question for its status and the create', 'fixedaddress'],
])('a requested address that a late create of the same attachment takes between %s is given', async (_, type) => {
  const { grid } = fixture;
  const host = await fixture.another({ node: 'host-b' }).start();
  await host.add('c9');
  const requested = { args: 'IP=10.0.0.9' };
  grid.inject({ method: 'POST', type: 'fixedaddress', effect: { kind: 'reset' } });
  expect(await errorOf(host.call('ADD', 'c1', { ...requested, limit: 180 }))).toMatchObject({ code: 11 });
  const comment = grid.fixedAddresses().find((object) => object.comment?.includes('container=c9'))?.comment;
  const late = () => {
    grid.add('fixedaddress', {
      ...{ ipv4addr: '10.0.0.9', match_client: 'RESERVED', mac: '00:00:00:00:00:00' },
      comment: comment?.replace('container=c9', 'container=c1') ?? '',
    });
  };
  const when = () => {
    late();
    return true;
  };
  grid.inject({ method: type === 'ipv4address' ? 'GET' : 'POST', type, when, effect: { kind: 'delay', ms: 0 } });
  expect(await host.add('c1', requested)).toBe('10.0.0.9');
});
