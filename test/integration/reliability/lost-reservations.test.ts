/** Reservations that the grid has lost. More cases are in test/simulation/situations/lost-reservations.ts. */
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

/** Returns the container of each reserved address. */
const holders = () =>
  Object.fromEntries(
    grid.fixedAddresses().map(({ ipv4addr, comment = '' }) => [ipv4addr, /container=(\S+)/.exec(comment)?.[1]]),
  );
const onlyTheGateway = { '10.0.0.1': undefined };
const objectAt = (address: string) => grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address);
const lose = (address: string) => grid.remove(objectAt(address)?._ref ?? '');

describe('reassigning an address to its live container', () => {
  test('keeps an earlier delete in doubt, which may hit the next holder of the address', async () => {
    await host.dispose();
    await startHost(6_000);
    const [mine, theirs] = [await host.add('c1'), await host.add('c2')];
    // It is never carried out.
    grid.inject({ method: 'DELETE', effect: { kind: 'commit-later', after: new Promise(() => {}) } });
    await host.del('c1');
    lose(theirs);
    grid.clearLog();
    const body = JSON.stringify({ Error: 'AdmConProtoError: no', code: 'Client.Ibap.Proto', text: 'no' });
    const refusal = { kind: 'status', status: 400, contentType: 'application/json', body } as const;
    // The first create gets the address of c2, and the second one is refused.
    grid.inject({ method: 'POST', type: 'fixedaddress', skip: 1, effect: refusal });
    await failureOf(host.add('c1'));
    await pause(1_000);
    expect(grid.requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
    expect(holders()).toMatchObject({ [mine]: 'c1', [theirs]: 'c2' });
  });
});

describe('an ADD of a live container whose reservation the grid has lost', () => {
  test('gets another address before the old one is given to anybody else', async () => {
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

  test('gives the address again with its network, if that was lost, too', async () => {
    const first = await host.add('c1');
    grid.remove(grid.networks()[0]?._ref ?? '');
    expect(await host.add('c1')).toBe(first);
    expect(holders()).toEqual({ ...onlyTheGateway, [first]: 'c1' });
  });

  test('gives another address if the old one is taken', async () => {
    const first = await host.add('c1');
    lose(first);
    grid.add('fixedaddress', { ipv4addr: first, mac: '02:00:00:00:00:77', comment: 'printer' });
    const second = await host.add('c1');
    expect(second).not.toBe(first);
    expect(holders()[second]).toBe('c1');
    expect(objectAt(first)?.comment).toBe('printer');
  });
});
