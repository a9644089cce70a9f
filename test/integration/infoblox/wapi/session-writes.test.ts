/**
 * Writes by reference. A reference is a natural key: it names the object that has the address now, and on another host of
 * the grid the object that has it there.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { maxSightingAgeMs, type Sighting, sighting } from '../../../../src/infoblox/grid.ts';
import { maxConnections } from '../../../../src/infoblox/wapi/request-limit.ts';
import type { Session } from '../../../../src/infoblox/wapi/session.ts';
import { until } from '../../../fixture/host.ts';
import { type Effect, type Grid, startGrid } from '../../../simulator/grid.ts';
import { type Candidate, candidateHost, relayed, startCandidate } from '../../reliability/candidate.ts';
import { ask, create, failureOf, inTime, openSession } from './session-fixture.ts';

const masterHost = '127.0.0.1';
const reservation = { ipv4addr: '10.0.0.5', match_client: 'RESERVED', mac: '00:00:00:00:00:00' };

let master: Grid;
let session: Session;

beforeEach(async () => {
  master = await startGrid();
  master.add('network', { network: '10.0.0.0/24' });
  master.add('fixedaddress', { ...reservation, comment: 'ours' });
});
afterEach(async () => {
  await session.close(inTime(1_000));
  await master.stop();
});

/** Looks at the reservation. */
async function look(): Promise<Sighting> {
  const query = { ipv4addr: '10.0.0.5', _return_as_object: '1' };
  const { host, answeredAt } = await session.ask({ method: 'GET', path: 'fixedaddress', query }, inTime());
  return sighting({ host, answeredAt, object: master.fixedAddresses()[0]?._ref ?? '' });
}

/** Returns the same look as if its answer had come `milliseconds` earlier. */
const aged = (seen: Sighting, by: number): Sighting => sighting({ ...seen, answeredAt: seen.answeredAt - by });

const remove = (seen: Sighting) => session.write(seen, { method: 'DELETE' }, inTime());
const deletes = (grid: Grid) => grid.requests.filter(({ method }) => method === 'DELETE');
const outdated = { reason: 'busy', outcome: 'none', mayLookAgain: true };

describe('a write by reference', () => {
  beforeEach(() => {
    session = openSession({ port: master.port });
  });

  test('is carried out if its look is recent', async () => {
    await remove(await look());
    expect(master.fixedAddresses()).toEqual([]);
  });

  test.each(['DELETE', 'PUT'] as const)('%s is not sent if its look is older than a second', async (method) => {
    const object = aged(await look(), maxSightingAgeMs + 1);
    const change = { method, ...(method === 'PUT' ? { body: { comment: 'another' } } : {}) };
    expect(await failureOf(session.write(object, change, inTime()))).toMatchObject(outdated);
    expect(master.requests.map((request) => request.method)).toEqual(['GET']);
    expect(master.fixedAddresses()).toMatchObject([{ comment: 'ours' }]);
  });

  test('is not sent if the second is over before the connection is established', async () => {
    const object = await look();
    // The session needs a new connection, which a relay delays.
    const slow = await relayed(master.port, master.port, { delayMs: 200 });
    const other = openSession({ port: master.port, hosts: [candidateHost] });
    try {
      const answeredAt = other.clock.now() - maxSightingAgeMs + 100;
      const late = sighting({ ...object, host: candidateHost, answeredAt });
      expect(await failureOf(other.write(late, { method: 'DELETE' }, inTime()))).toMatchObject(outdated);
      expect(deletes(master)).toEqual([]);
    } finally {
      await other.close(inTime(1_000));
      await slow.close();
    }
  });

  test('is sent before all waiting requests, so that its look stays recent', async () => {
    const type = 'networkview';
    const [first, others] = [master.hold({ type }), master.hold({ type, times: maxConnections - 1 })];
    const object = await look();
    const all = Array.from({ length: 2 * maxConnections }, () => ask(session));
    await until('no connection is free', () => master.requests.length === 1 + maxConnections);
    const removed = remove(object);
    first.release();
    await removed;
    others.release();
    await Promise.all(all);
    expect(master.requests.findIndex(({ method }) => method === 'DELETE')).toBe(1 + maxConnections);
  });

  test('is repeated with a new login within the same second if its cookie is refused', async () => {
    const object = await look();
    master.expireSessions();
    await remove(object);
    expect(deletes(master).map(({ status }) => status)).toEqual([401, 200]);
  });

  test('is not repeated after a refused cookie if the second is over', async () => {
    const object = aged(await look(), maxSightingAgeMs - 150);
    master.expireSessions();
    master.latencyMs = 200;
    expect(await failureOf(remove(object))).toMatchObject(outdated);
    expect(deletes(master).map(({ status }) => status)).toEqual([401]);
    expect(master.fixedAddresses()).toHaveLength(1);
  });
});

const json = (code: string, text: string, status: number): Effect => ({
  ...{ kind: 'status', status, contentType: 'application/json' },
  body: JSON.stringify({ Error: text, code, text }),
});

/** How the host that showed the object fails afterwards, and the resulting error. */
const failures: readonly (readonly [string, Effect, object])[] = [
  ['500', { kind: 'status', status: 500 }, { reason: 'grid-fault', outcome: 'unknown', mayLookAgain: true }],
  ['503', { kind: 'status', status: 503 }, { reason: 'grid-fault', outcome: 'unknown', mayLookAgain: true }],
  ['504', { kind: 'status', status: 504 }, { reason: 'grid-fault', outcome: 'open', mayLookAgain: false }],
  ['414 in HTML', { kind: 'status', status: 414 }, { reason: 'not-wapi', outcome: 'unknown', mayLookAgain: true }],
  [
    '"read-only"',
    json('Client.Ibap.Data', 'The grid is read-only', 400),
    { reason: 'read-only', outcome: 'none', mayLookAgain: true },
  ],
  [
    '"not found"',
    json('Client.Ibap.Data.NotFound', 'Reference not found', 404),
    { reason: 'missing', outcome: 'none', mayLookAgain: true },
  ],
  ['by hanging up', { kind: 'reset' }, { reason: 'bad-answer', outcome: 'open', mayLookAgain: false }],
];

describe('after a look at a master that fails, while a stranger has the address on the promoted candidate,', () => {
  let candidate: Candidate;

  beforeEach(async () => {
    candidate = await startCandidate(master);
    candidate.catchUp();
    candidate.grid.add('fixedaddress', { ...reservation, comment: 'a stranger' });
    candidate.promote();
    session = openSession({ port: master.port, hosts: [masterHost, candidateHost] });
  });
  afterEach(() => candidate.stop());

  const expectNothingOfTheStranger = () => {
    expect(candidate.grid.fixedAddresses()).toMatchObject([{ comment: 'a stranger' }]);
    expect(candidate.grid.requests).toEqual([]);
  };

  test.each(failures)('a delete that is answered %s is not repeated', async (_, effect, error) => {
    const object = await look();
    master.inject({ method: 'DELETE', effect, times: 9 });
    expect(await failureOf(remove(object))).toMatchObject(error);
    expect(deletes(master)).toHaveLength(1);
    expectNothingOfTheStranger();
  });

  test('a delete whose connection is refused is not sent to the candidate', async () => {
    const object = sighting({ ...(await look()), host: '127.0.0.3' });
    expect(await failureOf(remove(object))).toMatchObject({
      ...{ reason: 'unreachable', outcome: 'none', mayLookAgain: true },
      message: expect.stringContaining('127.0.0.3'),
    });
    expect(deletes(master)).toEqual([]);
    expectNothingOfTheStranger();
  });

  test('the next look goes to the candidate, and a change of what it shows, too', async () => {
    await look();
    await master.pause();
    const object = await look();
    expect(object.host).toBe(candidateHost);
    await session.write(object, { method: 'PUT', body: { comment: 'changed' } }, inTime());
    expect(candidate.grid.fixedAddresses()).toMatchObject([{ comment: 'changed' }]);
  });
});

test('"not found" counts only from the host that is known to accept writes', async () => {
  const candidate = await startCandidate(master);
  session = openSession({ port: master.port, hosts: [masterHost, candidateHost] });
  const object = sighting({ ...(await look()), host: candidateHost });
  candidate.promote();
  expect(await failureOf(remove(object))).toMatchObject({ reason: 'unconfirmed', outcome: 'none', mayLookAgain: true });
  expect([deletes(master).length, deletes(candidate.grid).length]).toEqual([0, 1]);
  await candidate.stop();
});

test('a read-only refusal by the only host is left to the operator, as no look helps', async () => {
  session = openSession({ port: master.port });
  const object = await look();
  master.readOnly = true;
  expect(await failureOf(remove(object))).toMatchObject({ reason: 'read-only', mayLookAgain: false });
});

describe('if no host is known to accept writes,', () => {
  let candidate: Candidate;
  const nothing = { result: [] };
  const query = { comment: 'none', _return_as_object: '1' };
  const lookFor = () => session.ask({ method: 'GET', path: 'fixedaddress', query, confirm: true }, inTime());

  beforeEach(async () => {
    candidate = await startCandidate(master);
    master.readOnly = true;
    session = openSession({ port: master.port, hosts: [masterHost, candidateHost] });
    await failureOf(create(session, 'networkview', { name: 'refused' }));
  });
  afterEach(() => candidate.stop());

  test('an equal answer of all hosts is confirmed, as one of them accepts writes', async () => {
    expect((await lookFor()).value).toEqual(nothing);
  });

  test('a different answer of one host leaves it unconfirmed', async () => {
    candidate.catchUp();
    candidate.grid.add('fixedaddress', { ...reservation, comment: 'none' });
    expect(await failureOf(lookFor())).toMatchObject({ reason: 'unconfirmed' });
  });

  test('the answer of a single host is unconfirmed, as its name may lead to a candidate', async () => {
    await session.close(inTime(1_000));
    session = openSession({ port: master.port });
    await failureOf(create(session, 'networkview', { name: 'refused' }));
    expect(await failureOf(lookFor())).toMatchObject({ reason: 'unconfirmed' });
  });

  test('a host that does not answer leaves it unconfirmed', async () => {
    await candidate.grid.pause();
    expect(await failureOf(lookFor())).toMatchObject({ reason: 'unconfirmed' });
  });
});
