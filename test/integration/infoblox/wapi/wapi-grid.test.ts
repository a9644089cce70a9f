/** The grid over WAPI: the contract of the port, and the faults of WAPI itself. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { families, familyOf, parseCidr } from '../../../../src/infoblox/address.ts';
import { describeReservation } from '../../../../src/infoblox/attributes.ts';
import type { Session } from '../../../../src/infoblox/wapi/session.ts';
import type { WapiGrid } from '../../../../src/infoblox/wapi/wapi-grid.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { type Candidate, candidateHost, startCandidate } from '../../reliability/candidate.ts';
import { type GridUnderTest, gridContract } from '../grid-contract.ts';
import { failureOf, gridOver, inTime, openSession } from './session-fixture.ts';

describe('the contract', () => gridContract(openWapiGrid));

async function openWapiGrid(): Promise<GridUnderTest> {
  const simulated = await startGrid({ cloudLicence: true, attributes: ['Network Name', 'Reserved At', 'Pod'] });
  const session = openSession({ port: simulated.port, hosts: [simulated.host, candidateHost] });
  let candidate: Candidate | undefined;
  return {
    grid: gridOver(session),
    addClient({ address, view, comment = '' }) {
      const client = { network_view: view, comment };
      if (familyOf(address) === 6) {
        simulated.add('ipv6fixedaddress', { ...client, ipv6addr: address, duid: '00:03:00:01:02:00:00:00:00:77' });
      } else simulated.add('fixedaddress', { ...client, ipv4addr: address, mac: '02:00:00:00:00:77' });
    },
    addServedRange({ first, last, view }) {
      const fields = { start_addr: first, end_addr: last, network_view: view, server_association_type: 'MEMBER' };
      simulated.add(`${prefixOf(first)}range`, fields);
    },
    addHost({ address, view }) {
      const field = `ipv${familyOf(address)}addr`;
      const addresses = { [`${field}s`]: [{ [field]: address }] };
      simulated.add('record:host', { name: address, network_view: view, configure_for_dns: false, ...addresses });
    },
    comment({ address, view }, comment) {
      const object = simulated
        .objects(`${prefixOf(address)}fixedaddress`)
        .find((one) => one.network_view === view && one[`ipv${familyOf(address)}addr`] === address);
      simulated.update(object?._ref ?? '', { comment });
    },
    loseAnswer(isCarriedOut) {
      const when = ({ method }: { readonly method: string }) => method !== 'GET';
      simulated.inject({ when, effect: { kind: 'reset', commit: isCarriedOut } });
    },
    async loseMaster() {
      candidate = await startCandidate(simulated);
      await simulated.pause();
    },
    async end() {
      await session.close(inTime(1_000));
      await candidate?.stop();
      await simulated.stop();
    },
  };
}

function prefixOf(address: string): string {
  return familyOf(address) === 6 ? 'ipv6' : '';
}

let grid: Grid;
let session: Session;
let port: WapiGrid;

beforeEach(async () => {
  grid = await startGrid();
  session = openSession({ port: grid.port });
  port = gridOver(session);
});
afterEach(async () => {
  await session.close(inTime());
  await grid.stop();
});

/** Adds reservations of one host in a network of 2046 addresses. */
function fill(count: number): void {
  grid.add('network', { network: '10.0.0.0/21' });
  for (let n = 1; n <= count; n += 1) {
    grid.add('fixedaddress', {
      ...{ ipv4addr: `10.0.${Math.floor(n / 256)}.${n % 256}`, match_client: 'RESERVED', mac: '00:00:00:00:00:00' },
      comment: `infoblox-cni cluster=cluster-1 node=host-a network=n container=c${n} interface=eth0`,
    });
  }
}

/** Counts the reservations of a host. */
async function count(marks = { cluster: 'cluster-1', node: 'host-a' }): Promise<number> {
  let count = 0;
  for await (const _ of port.list({ marks }, inTime())) count += 1;
  return count;
}

test('a search that matches more than 1000 objects is read page by page', async () => {
  fill(1_500);
  expect(await count()).toBe(1_500);
  expect(grid.requests.map(({ query }) => [query._max_results, '_page_id' in query])).toEqual([
    ['1000', false],
    ['1000', true],
  ]);
});

test('a list of exactly 1000 is complete', async () => {
  fill(1_000);
  expect(await count()).toBe(1_000);
});

test('a lost page is an error, and not the end of the list', async () => {
  fill(1_200);
  grid.inject({
    method: 'GET',
    when: ({ query }) => '_page_id' in query,
    effect: {
      ...{ kind: 'status', status: 404, contentType: 'application/json' },
      body: '{"Error": "x", "code": "Client.Ibap.Data.NotFound", "text": "page not found"}',
    },
  });
  expect(await failureOf(count())).toMatchObject({ reason: 'missing' });
});

test('a mark is not taken for a pattern', async () => {
  grid.add('network', { network: '10.0.0.0/24' });
  const reserve = (last: number, cluster: string) =>
    grid.add('fixedaddress', {
      ...{ ipv4addr: `10.0.0.${last}`, match_client: 'RESERVED', mac: '00:00:00:00:00:00' },
      comment: `infoblox-cni cluster=${cluster} node=n network=x container=c interface=eth0`,
    });
  reserve(1, 'a.b');
  reserve(2, 'axb');
  expect(await count({ cluster: 'a.b', node: 'n' })).toBe(1);
});

test('objects that a grid returns by another reading of an expression are left out', async () => {
  fill(2);
  const answer = (body: string) => body.replace('node=host-a', 'node=host-b');
  grid.inject({ method: 'GET', effect: { kind: 'alter', answer } });
  expect(await count()).toBe(1);
});

test('an object is reassigned even if the grid lacks our attributes, with a new look after each refusal', async () => {
  fill(1);
  const owner = { comment: 'mark of c2', ...describeReservation('n', { containerId: 'c2' }) };
  for (;;) {
    const [look] = await port.at('10.0.0.1', undefined, inTime());
    if (look === undefined) throw new Error('nothing is there');
    const error = await port.relabel(look, owner, inTime()).then(
      () => undefined,
      (why) => why,
    );
    if (error === undefined) break;
    expect(error).toMatchObject({ reason: 'unknown-attribute', mayLookAgain: true });
  }
  expect(grid.fixedAddresses()).toMatchObject([{ comment: 'mark of c2', name: 'c2' }]);
  const requests = grid.requests.map(({ method }) => method);
  expect(requests.length).toBeGreaterThan(2);
  expect(requests).toEqual(requests.map((_, index) => (index % 2 === 0 ? 'GET' : 'PUT')));
});

test('a delete without a valid reference is an error', async () => {
  fill(1);
  const [look] = await port.at('10.0.0.1', undefined, inTime());
  const nonsense = { seen: { ...look?.seen, object: 'fixedaddress/!' } } as unknown as { seen: never };
  expect(await failureOf(port.remove(nonsense, inTime()))).toMatchObject({ reason: 'rejected', mayLookAgain: false });
});

test('the error for a malformed answer names the field, and the outcome of a write is unknown then', async () => {
  const answer = (body: unknown) =>
    grid.inject({
      effect: { kind: 'status', status: 200, contentType: 'application/json', body: JSON.stringify(body) },
    });
  answer({ result: [{ _ref: 'fixedaddress/x:y', ipv4addr: '10.0.0.999' }] });
  expect(await failureOf(port.at('10.0.0.1', undefined, inTime()))).toMatchObject({
    reason: 'bad-answer',
    outcome: 'none',
    message: expect.stringContaining('GET fixedaddress: result.0.ipv4addr is "10.0.0.999"'),
    hint: expect.stringContaining('form that this release does not know'),
  });
  answer([]);
  expect(await failureOf(port.utilization({ address: '10.0.0.1', view: 'default' }, inTime()))).toMatchObject({
    reason: 'bad-answer',
  });
  answer('fixedaddress/x:y');
  const source = { address: '10.0.0.1', view: 'default' };
  const created = port.reserve({ source, comment: 'c', name: 'n', attributes: {} }, inTime());
  expect(await failureOf(created)).toMatchObject({ reason: 'bad-answer', outcome: 'unknown' });
});

test('the error says so if a user may not read the use of addresses', async () => {
  grid.add('network', { network: '10.0.0.0/24' });
  grid.inject({
    type: 'ipv4address',
    effect: {
      ...{ kind: 'status', status: 400, contentType: 'application/json' },
      body: '{"Error": "x", "code": "Client.Ibap.Data", "text": "You need to have Read permission for the object"}',
    },
  });
  const network = parseCidr('10.0.0.0/24') ?? expect.fail();
  const occupants = port.occupants(network, { network, view: 'default' }, inTime());
  expect(await failureOf(occupants)).toMatchObject({ reason: 'permission' });
});

test('an address is used if it has an object, whatever status the grid reports', async () => {
  grid.add('network', { network: '10.0.0.0/24' });
  grid.add('range', { start_addr: '10.0.0.8', end_addr: '10.0.0.15' });
  grid.quirks.rangesReadUsed = true;
  const network = parseCidr('10.0.0.0/24') ?? expect.fail();
  const occupants = () => port.occupants(network, { network, view: 'default' }, inTime());
  expect(await occupants()).toEqual([]);
  const found = { _ref: 'ipv4address/x:10.0.0.9', ip_address: '10.0.0.9', types: ['UNMANAGED', 'RESERVED_RANGE'] };
  const body = JSON.stringify({ result: [{ ...found, objects: [] }] });
  grid.inject({ type: 'ipv4address', effect: { kind: 'status', status: 200, contentType: 'application/json', body } });
  expect(await occupants()).toEqual([{ address: '10.0.0.9', comment: '' }]);
});

test('the error names the missing permission for ranges', async () => {
  grid.add('network', { network: '10.0.0.0/24' });
  grid.denied.add('range');
  const network = parseCidr('10.0.0.0/24') ?? expect.fail();
  const range = { first: '10.0.0.8', last: '10.0.0.15', network, view: 'default' };
  const created = port.createRange({ ...range, comment: 'c', name: 'n', attributes: {} }, inTime());
  expect(await failureOf(created)).toMatchObject({ reason: 'permission', outcome: 'none' });
  expect(await failureOf(port.ranges({ network }, inTime()))).toMatchObject({ reason: 'permission' });
});

describe('in IPv6', () => {
  const network = '2001:db8:1::/64';
  const nextOf = parseCidr(network) ?? expect.fail('no network');
  const source = { nextOf, view: 'default' };
  const mark = 'infoblox-cni cluster=c node=n network=x container=c1 interface=eth0';
  const reserve = (comment = mark) => port.reserve({ source, comment, name: 'n', attributes: {} }, inTime());
  const asked = () => grid.requests.map(({ type }) => type);
  beforeEach(() => {
    grid.add('ipv6network', { network });
  });

  test.each([false, true])('each reservation has a unique DUID of a UUID (DUIDs may repeat: %s)', async (may) => {
    grid.quirks.duidsMayRepeat = may;
    for (const name of ['c1', 'c2', 'c3']) await reserve(name);
    const duids = grid.objects('ipv6fixedaddress').map(({ duid }) => duid);
    expect(new Set(duids).size).toBe(3);
    // RFC 6355: DUID type 4. RFC 9562: UUID version 4, variant 10.
    for (const duid of duids) expect(duid).toMatch(/^00:04(:..){6}:4.:..:[89ab].(:..){7}$/);
    const [look] = (await port.find('c2', { family: 6 }, inTime())).found;
    if (look !== undefined) await port.relabel(look, { comment: 'c4', name: 'db', attributes: {} }, inTime());
    expect(grid.objects('ipv6fixedaddress').map(({ duid }) => duid)).toEqual(duids);
  });

  test('an address with the DUID of a client is not a reservation', async () => {
    const duid = '00:01:00:01:2a:00:00:00:02:00:00:00:00:01';
    grid.add('ipv6fixedaddress', { ipv6addr: '2001:db8:1::5', duid, comment: mark });
    const [one] = await port.at('2001:db8:1::5', undefined, inTime());
    expect(one).toMatchObject({ isReserved: false, matchedBy: `DUID ${duid}`, mac: '' });
  });

  test('an object that delegates prefixes has no addresses', async () => {
    const answer = (found: object) => {
      const body = JSON.stringify({ result: [{ network, ...found }] });
      grid.inject({ effect: { kind: 'status', status: 200, contentType: 'application/json', body } });
    };
    answer({ _ref: 'ipv6range/x:y' });
    expect(await port.ranges({ network: nextOf }, inTime())).toEqual([]);
    answer({ _ref: 'ipv6fixedaddress/x:y', duid: '00:01' });
    const all = await Array.fromAsync(port.list({ network: nextOf }, inTime()));
    expect(all).toMatchObject([{ address: '', isReserved: false }]);
  });

  test('an address is read in canonical form', async () => {
    const found = { _ref: 'ipv6fixedaddress/x:y', ipv6addr: '2001:0DB8:1::5', duid: '00:01' };
    const body = JSON.stringify({ result: [found] });
    grid.inject({ effect: { kind: 'status', status: 200, contentType: 'application/json', body } });
    expect(await port.at('2001:db8:1::5', undefined, inTime())).toMatchObject([{ address: '2001:db8:1::5' }]);
  });

  test('no request is sent until the host needs IPv6, which survives a restart', async () => {
    const facts = new Map<string, string>();
    const remembered = { fact: (name: string) => facts.get(name), setFact: facts.set.bind(facts) };
    port = gridOver(session, remembered);
    await port.find(mark, {}, inTime());
    expect([await count({ cluster: 'c', node: 'n' }), asked()]).toEqual([0, ['fixedaddress', 'fixedaddress']]);
    expect(facts.size).toBe(0);
    await reserve();
    grid.clearLog();
    port = gridOver(session, remembered);
    expect((await port.find(mark, {}, inTime())).found).toMatchObject([{ address: '2001:db8:1::1' }]);
    expect(await count({ cluster: 'c', node: 'n' })).toBe(1);
    expect(asked().sort()).toEqual(['fixedaddress', 'fixedaddress', 'ipv6fixedaddress', 'ipv6fixedaddress']);
    grid.clearLog();
    await port.find(mark, { family: 6 }, inTime());
    expect(asked()).toEqual(['ipv6fixedaddress']);
  });

  test('an address that a list has shown is found by its mark even if this host never needed IPv6', async () => {
    await reserve();
    port = gridOver(session);
    await Array.fromAsync(port.list({ marks: { cluster: 'c', node: 'n' }, families }, inTime()));
    expect((await port.find(mark, {}, inTime())).found).toMatchObject([{ address: '2001:db8:1::1' }]);
  });

  test('a missing permission counts as an empty list until the host needs IPv6', async () => {
    for (const type of ['ipv6fixedaddress', 'ipv6range']) grid.denied.add(type);
    const marks = { cluster: 'c', node: 'n' };
    const list = () => Array.fromAsync(port.list({ marks, families, confirm: true }, inTime()));
    expect(await list()).toEqual([]);
    expect(await port.ranges({ marks, families }, inTime())).toEqual([]);
    expect(await failureOf(reserve())).toMatchObject({ reason: 'permission', outcome: 'none' });
    expect(await failureOf(list())).toMatchObject({ reason: 'permission' });
  });
});
