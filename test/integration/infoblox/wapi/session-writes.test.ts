/**
 * Writes by reference. References are natural keys: the same one names whatever has the address by now, and on another host of the
 * grid whatever has it there.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Sighting, sighting, sightingMaxAgeMs } from '../../../../src/infoblox/grid.ts';
import type { Session } from '../../../../src/infoblox/wapi/session.ts';
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

/** The same, as if its answer had come so many milliseconds before. */
const aged = (seen: Sighting, by: number): Sighting => sighting({ ...seen, answeredAt: seen.answeredAt - by });

const remove = (seen: Sighting) => session.write(seen, { method: 'DELETE' }, inTime());
const deletes = (grid: Grid) => grid.requests.filter(({ method }) => method === 'DELETE');
const outdated = { reason: 'busy', outcome: 'none', mayLookAgain: true };

describe('a write by reference', () => {
  beforeEach(() => {
    session = openSession({ port: master.port });
  });

  test('is carried out when its look is fresh', async () => {
    await remove(await look());
    expect(master.fixedAddresses()).toEqual([]);
  });

  test.each(['DELETE', 'PUT'] as const)('%s is not sent when its look is older than a second', async (method) => {
    const object = aged(await look(), sightingMaxAgeMs + 1);
    const change = { method, ...(method === 'PUT' ? { body: { comment: 'another' } } : {}) };
    expect(await failureOf(session.write(object, change, inTime()))).toMatchObject(outdated);
    expect(master.requests.map((request) => request.method)).toEqual(['GET']);
    expect(master.fixedAddresses()).toMatchObject([{ comment: 'ours' }]);
  });

  test('is not sent when the second is over before there is a connection', async () => {
    const object = await look();
    // The grid has to be connected to anew, and somebody in between takes his time.
    const slow = await relayed(master.port, master.port, { delayMs: 200 });
    const other = openSession({ port: master.port, hosts: [candidateHost] });
    try {
      const answeredAt = other.clock.now() - sightingMaxAgeMs + 100;
      const late = sighting({ ...object, host: candidateHost, answeredAt });
      expect(await failureOf(other.write(late, { method: 'DELETE' }, inTime()))).toMatchObject(outdated);
      expect(deletes(master)).toEqual([]);
    } finally {
      await other.close(inTime(1_000));
      await slow.close();
    }
  });

  test('goes before all requests that wait for their turn, so that its look does not grow old', async () => {
    const object = await look();
    master.latencyMs = 100;
    const all = Array.from({ length: 16 }, () => ask(session));
    await remove(object);
    await Promise.all(all);
    expect(master.requests.findIndex(({ method }) => method === 'DELETE')).toBe(9);
  });

  test('is repeated when its cookie is refused, with a new login, within the same second', async () => {
    const object = await look();
    master.expireSessions();
    await remove(object);
    expect(deletes(master).map(({ status }) => status)).toEqual([401, 200]);
  });

  test('is not repeated when its cookie is refused and the second is over by then', async () => {
    const object = aged(await look(), sightingMaxAgeMs - 150);
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

/** How the host that has shown the object fails then, and what that means. */
const failures: readonly (readonly [string, Effect, object])[] = [
  ['500', { kind: 'status', status: 500 }, { reason: 'grid-fault', outcome: 'unknown', mayLookAgain: true }],
  ['503', { kind: 'status', status: 503 }, { reason: 'grid-fault', outcome: 'unknown', mayLookAgain: true }],
  ['504', { kind: 'status', status: 504 }, { reason: 'grid-fault', outcome: 'open', mayLookAgain: false }],
  ['414 in HTML', { kind: 'status', status: 414 }, { reason: 'not-wapi', outcome: 'unknown', mayLookAgain: true }],
  [
    'that it only reads',
    json('Client.Ibap.Data', 'The grid is read-only', 400),
    { reason: 'read-only', outcome: 'none', mayLookAgain: true },
  ],
  [
    'that the object is gone',
    json('Client.Ibap.Data.NotFound', 'Reference not found', 404),
    { reason: 'missing', outcome: 'none', mayLookAgain: true },
  ],
  ['nothing, and hangs up', { kind: 'reset' }, { reason: 'bad-answer', outcome: 'open', mayLookAgain: false }],
];

describe('a master that fails after a look, and a promoted candidate on which a stranger has the address', () => {
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

  test.each(failures)('answering %s: the delete is not sent again', async (_, effect, error) => {
    const object = await look();
    master.inject({ method: 'DELETE', effect, times: 9 });
    expect(await failureOf(remove(object))).toMatchObject(error);
    expect(deletes(master)).toHaveLength(1);
    expectNothingOfTheStranger();
  });

  test('refusing connections: the delete is not sent to another', async () => {
    const object = sighting({ ...(await look()), host: '127.0.0.3' });
    expect(await failureOf(remove(object))).toMatchObject({
      ...{ reason: 'unreachable', outcome: 'none', mayLookAgain: true },
      message: expect.stringContaining('127.0.0.3'),
    });
    expect(deletes(master)).toEqual([]);
    expectNothingOfTheStranger();
  });

  test('its look again goes to the other host, and what that shows is changed there alone', async () => {
    await look();
    await master.pause();
    const object = await look();
    expect(object.host).toBe(candidateHost);
    await session.write(object, { method: 'PUT', body: { comment: 'changed' } }, inTime());
    expect(candidate.grid.fixedAddresses()).toMatchObject([{ comment: 'changed' }]);
  });
});

test('that an object is gone counts only from the host that is known to accept writes', async () => {
  const candidate = await startCandidate(master);
  session = openSession({ port: master.port, hosts: [masterHost, candidateHost] });
  const object = sighting({ ...(await look()), host: candidateHost });
  candidate.promote();
  expect(await failureOf(remove(object))).toMatchObject({ reason: 'unconfirmed', outcome: 'none', mayLookAgain: true });
  expect([deletes(master).length, deletes(candidate.grid).length]).toEqual([0, 1]);
  await candidate.stop();
});

test('a read-only refusal by the only host is the operator’s to mend: no look helps', async () => {
  session = openSession({ port: master.port });
  const object = await look();
  master.readOnly = true;
  expect(await failureOf(remove(object))).toMatchObject({ reason: 'read-only', mayLookAgain: false });
});

describe('where no host is known to accept writes', () => {
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

  test('what all hosts of the grid answer is confirmed: one of them accepts writes', async () => {
    expect((await lookFor()).value).toEqual(nothing);
  });

  test('what one of them answers otherwise is not', async () => {
    candidate.catchUp();
    candidate.grid.add('fixedaddress', { ...reservation, comment: 'none' });
    expect(await failureOf(lookFor())).toMatchObject({ reason: 'unconfirmed' });
  });

  test('nor what a grid of one host answers: a candidate may be behind its name', async () => {
    await session.close(inTime(1_000));
    session = openSession({ port: master.port });
    await failureOf(create(session, 'networkview', { name: 'refused' }));
    expect(await failureOf(lookFor())).toMatchObject({ reason: 'unconfirmed' });
  });

  test('nor is what one of them cannot be asked', async () => {
    await candidate.grid.pause();
    expect(await failureOf(lookFor())).toMatchObject({ reason: 'unconfirmed' });
  });
});
