/** Reservations that the grid has lost; test/simulation/situations/lost-reservations.ts has the rest. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Host, until } from '../../fixture/host.ts';
import { pause } from '../../fixture/world.ts';
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

describe('passing an address back to who lives on it', () => {
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
