/**
 * Reservations that the grid has lost - deleted by hand, or unknown to a promoted master - while answers are lost, too:
 * what is reserved again is reserved once, for who lives on it, and goes back with it.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Host, until } from '../../fixture/host.ts';
import { pause, promote } from '../../fixture/world.ts';
import { type Grid, startGrid } from '../../simulator/grid.ts';
import { failureOf } from '../infoblox/wapi/session-fixture.ts';

let grid: Grid;
let host: Host;

async function startHost(last: number): Promise<void> {
  host = await new Host(grid, { doubtWindow: { recheck: 100, end: last } }).start();
}

beforeEach(async () => {
  grid = await startGrid();
  await startHost(1_000);
});
afterEach(async () => {
  await host.dispose();
  await grid.stop();
});

/** The container that each address is reserved for. */
const holders = () =>
  Object.fromEntries(
    grid.fixedAddresses().map(({ ipv4addr, comment = '' }) => [ipv4addr, /container=(\S+)/.exec(comment)?.[1]]),
  );
const onlyTheGateway = { '10.0.0.1': undefined };
const objectAt = (address: string) => grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address);
const lose = (address: string) => grid.remove(objectAt(address)?._ref ?? '');
const isLook = (query: Readonly<Record<string, string>>) => query.comment?.includes(' container=c1 ') ?? false;

describe('passing an address back to who lives on it', () => {
  test('does not reserve it for good for one that was deleted meanwhile', async () => {
    const first = await host.add('c1');
    lose(first);
    grid.inject({ method: 'PUT', effect: { kind: 'commit-later', after: 300 } });
    await failureOf(host.add('c2'));
    await host.del('c1');
    await host.del('c2');
    await pause(400);
    await until('nothing is left', () => Object.keys(holders()).length === 1);
  });

  test('forgets no earlier delete without an answer, which may hit whoever has the address by then', async () => {
    await host.dispose();
    await startHost(6_000);
    const [mine, theirs] = [await host.add('c1'), await host.add('c2')];
    grid.inject({ method: 'DELETE', effect: { kind: 'commit-later', after: 2_000 } });
    await host.del('c1');
    lose(theirs);
    grid.clearLog();
    const body = JSON.stringify({ Error: 'AdmConProtoError: no', code: 'Client.Ibap.Proto', text: 'no' });
    const refusal = { kind: 'status', status: 400, contentType: 'application/json', body } as const;
    // The first create is handed what c2 lives on, the second is refused.
    grid.inject({ method: 'POST', type: 'fixedaddress', skip: 1, effect: refusal });
    await failureOf(host.add('c1'));
    await pause(1_000);
    expect(grid.requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
    expect(holders()).toMatchObject({ [mine]: 'c1', [theirs]: 'c2' });
  });
});

describe('an ADD of a container that lives on an address which the grid has lost', () => {
  test('leaves it to that container when it fails', async () => {
    const first = await host.add('c1');
    lose(first);
    const effect = { kind: 'status', status: 503 } as const;
    const disarm = grid.inject({ method: 'POST', type: 'fixedaddress', times: 99, effect });
    await failureOf(host.add('c1'));
    disarm();
    await pause(1_500);
    expect(await host.add('c2')).not.toBe(first);
  });

  test('has been told another one before anybody else is told it', async () => {
    const first = await host.add('c1');
    lose(first);
    grid.clearLog();
    grid.inject({ method: 'POST', type: 'fixedaddress', effect: { kind: 'delay', ms: 400 } });
    const again = host.add('c1');
    await until('it is under way', () => grid.requests.some(({ method }) => method === 'POST'));
    const told: string[] = [];
    const tell = (container: string) => (address: string) => {
      told.push(`${container} lives on ${address}`);
      return address;
    };
    const [mine, other] = await Promise.all([again.then(tell('c1')), host.add('c2').then(tell('c2'))]);
    expect(told[0]).toBe(`c1 lives on ${mine}`);
    expect(holders()).toEqual({ ...onlyTheGateway, [mine]: 'c1', [other]: 'c2' });
  });

  test('gives it again with its network, if that is gone as well', async () => {
    const first = await host.add('c1');
    grid.remove(grid.networks()[0]?._ref ?? '');
    expect(await host.add('c1')).toBe(first);
    expect(holders()).toEqual({ ...onlyTheGateway, [first]: 'c1' });
  });

  test('gives another one if somebody has it by now', async () => {
    const first = await host.add('c1');
    lose(first);
    grid.add('fixedaddress', { ipv4addr: first, mac: '02:00:00:00:00:77', comment: 'printer' });
    const second = await host.add('c1');
    expect(second).not.toBe(first);
    expect(holders()[second]).toBe('c1');
    expect(objectAt(first)?.comment).toBe('printer');
  });
});

describe('after a fail-over', () => {
  test('a late create of what is reserved again is looked for when its container is gone', async () => {
    await host.dispose();
    await startHost(4_000);
    const first = await host.add('c1');
    // Later than the reconciler's second attempt.
    grid.inject({ method: 'POST', type: 'fixedaddress', effect: { kind: 'commit-later', after: 3_000 } });
    await promote({ grid, host }, () => lose(first));
    await until('re-created', () => host.log.some(({ message }) => message.startsWith('re-created')));
    await host.del('c1');
    await until('the late one has landed', () => holders()[first] === 'c1');
    await until('nothing is left', () => Object.keys(holders()).length === 1);
  });

  test('another object of the container is not taken for its reservation', async () => {
    const first = await host.add('c1');
    const comment = objectAt(first)?.comment ?? '';
    const object = { ipv4addr: '10.0.0.77', mac: '00:00:00:00:00:00', match_client: 'RESERVED', comment };
    const plant = () => {
      grid.add('fixedaddress', object);
      return true;
    };
    grid.inject({ method: 'POST', type: 'fixedaddress', when: plant, effect: { kind: 'reset' } });
    await promote({ grid, host }, () => lose(first));
    await until('it is settled', () => holders()[first] === 'c1' && holders()['10.0.0.77'] === undefined);
    expect(Object.keys(holders())).toHaveLength(2);
  });

  test('what was reserved again lately is looked at, however long ago it was given', async () => {
    const first = await host.add('c1');
    await host.stop();
    const database = new DatabaseSync(join(host.directory, 'state', 'state.db'));
    database.exec('UPDATE lease SET createdAt = createdAt - 7200000, writtenAt = writtenAt - 7200000');
    database.close();
    await host.start();
    lose(first);
    expect(await host.add('c1')).toBe(first);
    // Until nothing is in doubt any more.
    await pause(1_500);
    await promote({ grid, host }, () => lose(first));
    await until('it is reserved again', () => holders()[first] === 'c1');
  });

  test('GC does not pass by what is merely looked at', async () => {
    await host.add('c1');
    grid.clearLog();
    grid.inject({ method: 'GET', when: ({ query }) => isLook(query), effect: { kind: 'hang' } });
    await promote({ grid, host }, () => {});
    await until('it is looked at', () => grid.requests.some(({ query }) => isLook(query)));
    await host.call('GC', '', { config: { 'cni.dev/valid-attachments': [] } });
    expect(holders()).toEqual(onlyTheGateway);
  });
});
