import { afterEach, beforeEach, expect, test } from 'vitest';
import { describeReservation, ExtensibleAttributes } from '../../../src/infoblox/attributes.ts';
import { defaultDoubtWindow } from '../../../src/infoblox/lease/doubt.ts';
import { Observer } from '../../../src/infoblox/lease/observe.ts';
import { WapiClient } from '../../../src/infoblox/wapi/client.ts';
import type { Session } from '../../../src/infoblox/wapi/session.ts';
import type { SightedObject } from '../../../src/infoblox/wapi/sighting.ts';
import { type Grid, startGrid } from '../../simulator/grid.ts';
import { failureOf, inTime, openSession } from './session-fixture.ts';

let grid: Grid;
let session: Session;
let wapi: WapiClient;

beforeEach(async () => {
  grid = await startGrid();
  session = openSession({ port: grid.port });
  wapi = new WapiClient(session, new ExtensibleAttributes('cluster-1'));
});
afterEach(async () => {
  await session.close(inTime());
  await grid.stop();
});

/** Reservations of one host in a network of 2046 addresses. */
function fill(count: number): void {
  grid.add('network', { network: '10.0.0.0/21' });
  for (let n = 1; n <= count; n += 1) {
    grid.add('fixedaddress', {
      ...{ ipv4addr: `10.0.${Math.floor(n / 256)}.${n % 256}`, match_client: 'RESERVED', mac: '00:00:00:00:00:00' },
      comment: `infoblox-cni cluster=cluster-1 node=host-a network=n container=c${n} interface=eth0`,
    });
  }
}

/** What a look has just shown at an address. */
async function seenAt(address: string): Promise<SightedObject> {
  const [found] = await wapi.findFixedAddresses({ ipv4addr: address }, inTime());
  if (found === undefined) throw new Error(`nothing at ${address}`);
  return { ref: found._ref, seen: found.seen };
}

/** Those of a host, as the import asks for them. */
function reservations(prefix: string, view: string | undefined, signal: AbortSignal) {
  const store = { boundAt: () => undefined, isWhole: true };
  const moment = () => ({ now: Date.now(), wall: Date.now(), window: defaultDoubtWindow });
  const observer = new Observer({ wapi, store, moment, log: { warn: () => undefined } });
  return observer.list(prefix, view === undefined ? {} : { view }, signal);
}

async function countOf(list: AsyncIterable<unknown>): Promise<number> {
  let count = 0;
  for await (const _ of list) count += 1;
  return count;
}

test('a search that matches more than 1000 objects is read page by page', async () => {
  fill(1_500);
  const prefix = 'infoblox-cni cluster=cluster-1 node=host-a ';
  expect(await countOf(reservations(prefix, undefined, inTime()))).toBe(1_500);
  expect(grid.requests.map(({ query }) => [query._max_results, '_page_id' in query])).toEqual([
    ['1000', false],
    ['1000', true],
  ]);
});

test('an object is made another’s also where the grid does not define our attributes, by a new look for each that it refuses', async () => {
  fill(1);
  const owner = { comment: 'mark of c2', ...describeReservation('n', { containerId: 'c2' }) };
  for (;;) {
    const look = await seenAt('10.0.0.1');
    const error = await wapi.relabel(look, owner, inTime()).then(
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

test('a list of exactly 1000 is complete', async () => {
  fill(1_000);
  expect(await countOf(wapi.listFixedAddresses({ network_view: 'default' }, inTime()))).toBe(1_000);
});

test('a page that is lost is an error, not the end of the list', async () => {
  fill(1_200);
  grid.inject({
    method: 'GET',
    when: ({ query }) => '_page_id' in query,
    effect: {
      ...{ kind: 'status', status: 404, contentType: 'application/json' },
      body: '{"Error": "x", "code": "Client.Ibap.Data.NotFound", "text": "page not found"}',
    },
  });
  expect(await failureOf(countOf(wapi.listFixedAddresses({}, inTime())))).toMatchObject({ reason: 'missing' });
});

test('a prefix means itself, not a pattern', async () => {
  grid.add('network', { network: '10.0.0.0/24' });
  const reserve = (last: number, comment: string) =>
    grid.add('fixedaddress', {
      ipv4addr: `10.0.0.${last}`,
      match_client: 'RESERVED',
      mac: '00:00:00:00:00:00',
      comment,
    });
  reserve(1, 'infoblox-cni cluster=a.b node=n network=x container=c interface=eth0');
  reserve(2, 'infoblox-cni cluster=axb node=n network=x container=c interface=eth0');
  const list = reservations('infoblox-cni cluster=a.b node=n ', 'default', inTime());
  expect(await countOf(list)).toBe(1);
});

test('an unknown view holds nothing', async () => {
  expect(await wapi.findFixedAddresses({ network_view: 'nowhere' }, inTime())).toEqual([]);
});

test('removing what is gone is fine; removing what is no reference is an error', async () => {
  fill(1);
  const object = await seenAt('10.0.0.1');
  await wapi.remove(object, inTime());
  await wapi.remove(object, inTime());
  const nonsense = { ...object, ref: 'fixedaddress/!' };
  expect(await failureOf(wapi.remove(nonsense, inTime()))).toMatchObject({ reason: 'rejected', mayLookAgain: false });
});

test('an answer in another form than WAPI’s is refused, naming the field; after a write its outcome is unknown', async () => {
  const answer = (body: unknown) =>
    grid.inject({
      effect: { kind: 'status', status: 200, contentType: 'application/json', body: JSON.stringify(body) },
    });
  answer({ result: [{ _ref: 'fixedaddress/x:y', ipv4addr: '10.0.0.999' }] });
  expect(await failureOf(wapi.findFixedAddresses({}, inTime()))).toMatchObject({
    reason: 'bad-answer',
    outcome: 'none',
    message: expect.stringContaining('GET fixedaddress: result.0.ipv4addr is "10.0.0.999"'),
    hint: expect.stringContaining('form that this release does not know'),
  });
  answer([]);
  expect(await failureOf(wapi.findNetworks({}, inTime()))).toMatchObject({ reason: 'bad-answer' });
  answer('fixedaddress/x:y');
  const reservation = { source: { address: '10.0.0.1' }, view: 'default', comment: 'c', name: 'n', attributes: {} };
  const created = wapi.createReservation(reservation, inTime());
  expect(await failureOf(created)).toMatchObject({ reason: 'bad-answer', outcome: 'unknown' });
});

test('a network says whether it has a free address, without taking it', async () => {
  grid.add('network', { network: '10.0.0.0/30' });
  const ref = grid.networks()[0]?._ref ?? '';
  expect(await wapi.hasFreeAddress(ref, inTime())).toBe(true);
  for (const last of [1, 2]) {
    grid.add('fixedaddress', { ipv4addr: `10.0.0.${last}`, mac: `aa:bb:cc:00:00:0${last}` });
  }
  expect(await wapi.hasFreeAddress(ref, inTime())).toBe(false);
  expect(await failureOf(wapi.hasFreeAddress(ref.replace('/', '/x'), inTime()))).toMatchObject({
    reason: expect.stringMatching(/rejected|missing/),
  });
});

test('the status of an address is unknown to users who may not read it', async () => {
  grid.add('network', { network: '10.0.0.0/24' });
  expect(await wapi.addressStatus('10.0.0.9', 'default', inTime())).toBe('UNUSED');
  grid.inject({
    type: 'ipv4address',
    effect: {
      ...{ kind: 'status', status: 400, contentType: 'application/json' },
      body: '{"Error": "x", "code": "Client.Ibap.Data", "text": "You need to have Read permission for the object"}',
    },
  });
  expect(await wapi.addressStatus('10.0.0.9', 'default', inTime())).toBeUndefined();
});
