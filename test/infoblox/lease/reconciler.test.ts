import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ExtensibleAttributes } from '../../../src/infoblox/attributes.ts';
import { attachmentMark } from '../../../src/infoblox/mark.ts';
import { Exhaustion } from '../../../src/infoblox/network/exhaustion.ts';
import { defaultSettling, Releases } from '../../../src/infoblox/releases.ts';
import { Reservations } from '../../../src/infoblox/reservations.ts';
import { newRow, type Row, Store } from '../../../src/infoblox/store.ts';
import { Turns } from '../../../src/infoblox/turns.ts';
import { Upkeep } from '../../../src/infoblox/upkeep.ts';
import { WapiClient as Requests } from '../../../src/infoblox/wapi/client.ts';
import type { Session } from '../../../src/infoblox/wapi/session.ts';
import { type LogLine, until } from '../../fixture/host.ts';
import { type Grid, startGrid } from '../../simulator/grid.ts';
import { inTime, openSession } from '../wapi/session-fixture.ts';

const origin = { cluster: 'cluster-1', node: 'host-a' };
const identityOf = (containerId: string) => attachmentMark(origin, { network: 'net-1', containerId, ifName: 'eth0' });

let directory: string;
let grid: Grid;
let session: Session;
let store: Store;
let turns: Turns;
let upkeep: Upkeep;
const log: LogLine[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-upkeep-'));
  grid = await startGrid();
  grid.add('network', { network: '10.0.0.0/24' });
  session = openSession({ port: grid.port });
  store = Store.open(directory).store;
  turns = new Turns();
  const now = () => Date.now();
  const write =
    (level: string) =>
    (message: string, details: LogLine['details'] = {}) => {
      log.push({ level, message, details });
    };
  const labels = new ExtensibleAttributes('c');
  const parts = { store, now, labels, log: { info: write('info'), warn: write('warn'), error: write('error') } };
  const requests = new Requests(session, labels);
  const reservations = new Reservations(requests);
  const exhaustion = new Exhaustion(requests);
  const onDue = () => upkeep.wake();
  const releases = new Releases({ ...parts, reservations, exhaustion, settling: defaultSettling, onDue });
  upkeep = new Upkeep({ ...parts, releases, turns, reservations, origin });
});
afterEach(async () => {
  vi.restoreAllMocks();
  upkeep.stop();
  await turns.idle();
  await session.close(inTime());
  store.close();
  await grid.stop();
  rmSync(directory, { recursive: true });
  log.length = 0;
});

/** An attachment that holds an address on the grid and owes it. */
function owed(containerId: string, address: string, over: Partial<Row> = {}): string {
  const identity = identityOf(containerId);
  grid.add('fixedaddress', {
    ipv4addr: address,
    match_client: 'RESERVED',
    mac: '00:00:00:00:00:00',
    comment: identity,
  });
  store.put({ ...newRow(identity, 'net-1', 'default', 1), state: 'owed', address, dueAt: Date.now(), ...over });
  return identity;
}

/** Lets the grid refuse to list reservations. @returns what ends that */
const refuseReading = () =>
  grid.inject({ times: 99, type: 'fixedaddress', effect: { kind: 'status', status: 400, body: 'no' } });

const warnings = () => log.filter(({ level }) => level === 'warn').map(({ message }) => message);

/** Lets every use of a method of the store fail until it is restored. */
function breakState(method: 'due' | 'nextDue' | 'hurryFailed' | 'oweIntents' | 'fact' | 'setFact') {
  return vi.spyOn(Store.prototype, method).mockImplementation(() => {
    throw new Error('disk I/O error');
  });
}

describe('a state that fails', () => {
  test('while upkeep looks for what is due is a warning, and upkeep goes on', async () => {
    owed('c1', '10.0.0.2');
    const broken = breakState('due');
    upkeep.wake();
    await until('it has tried', () => broken.mock.calls.length > 0);
    broken.mockRestore();
    expect(warnings()).toEqual(['upkeep failed, will be tried again']);
    await until('the release is settled', () => grid.fixedAddresses().length === 0);
  });

  test.each(['nextDue', 'hurryFailed', 'fact'] as const)(
    'in %s does not fail whoever brings the news that the grid is back',
    async (method) => {
      breakState(method);
      expect(() => upkeep.gridIsBack(false)).not.toThrow();
      await until('it has been said', () => warnings().length > 0);
    },
  );

  test('at the start keeps unfinished ADDs for later', async () => {
    store.put(newRow(identityOf('c1'), 'net-1', 'default', 1));
    const broken = breakState('oweIntents');
    expect(() => upkeep.start()).not.toThrow();
    broken.mockRestore();
    upkeep.wake();
    await until('they are owed', () => store.count('owed') === 1);
  });
});

describe('the grid is back', () => {
  test('what had failed is done at once, whatever its pause', async () => {
    owed('c1', '10.0.0.2', { attempts: 9, dueAt: Date.now() + 300_000 });
    upkeep.gridIsBack(false);
    await until('the release is settled', () => grid.fixedAddresses().length === 0, 2_000);
  });

  test('once and at once again, a release that keeps failing keeps its pause', () => {
    upkeep.gridIsBack(false);
    const identity = owed('c1', '10.0.0.2', { attempts: 9, dueAt: Date.now() + 300_000 });
    upkeep.gridIsBack(false);
    expect(store.get(identity)?.attempts).toBe(9);
  });

  test('what was given lately is looked at; after a second time soon after, a while later', async () => {
    const identity = owed('c1', '10.0.0.2', { state: 'held', createdAt: Date.now(), dueAt: null });
    const dueIn = () => (store.get(identity)?.dueAt ?? Number.NaN) - Date.now();
    upkeep.gridIsBack(true);
    expect(dueIn()).toBeLessThan(defaultSettling.last);
    const row = store.get(identity);
    if (row !== undefined) store.put({ ...row, dueAt: null });
    upkeep.gridIsBack(true);
    expect(dueIn()).toBeGreaterThan(240_000);
    expect(dueIn()).toBeLessThan(360_000 + defaultSettling.last);
  });

  test('reading back what this host holds is tried until it succeeds', async () => {
    owed('c1', '10.0.0.2');
    store.remove(identityOf('c1'));
    const disarm = refuseReading();
    upkeep.gridIsBack(false);
    await until('it has been refused', () => warnings().length > 0);
    disarm();
    expect(store.fact('adopted')).toBeUndefined();
    await until('it has succeeded', () => store.fact('adopted') !== undefined);
    expect(store.get(identityOf('c1'))).toMatchObject({ state: 'held', address: '10.0.0.2', network: 'net-1' });
  });

  test('reading back what this host holds lets calls in between, however much it is', async () => {
    for (let n = 2; n < 250; n += 1) owed(`c${n}`, `10.0.0.${n}`);
    for (let n = 2; n < 250; n += 1) store.remove(identityOf(`c${n}`));
    const put = vi.spyOn(store, 'put');
    const rowsAtATime: number[] = [];
    const watch = setInterval(() => rowsAtATime.push(put.mock.calls.splice(0).length), 0);
    upkeep.gridIsBack(false);
    await until('all are read back', () => store.fact('adopted') !== undefined);
    clearInterval(watch);
    rowsAtATime.push(put.mock.calls.length);
    expect(store.count('held')).toBe(248);
    expect(Math.max(...rowsAtATime)).toBeLessThanOrEqual(50);
  });

  test('a stopped upkeep does not try again', async () => {
    const list = vi.spyOn(Reservations.prototype, 'list');
    refuseReading();
    upkeep.gridIsBack(false);
    await until('it has been refused', () => warnings().length > 0);
    upkeep.stop();
    upkeep.gridIsBack(false);
    expect(list).toHaveBeenCalledTimes(1);
  });
});

test('a row whose turn an ADD has does not keep the others waiting, and is attended to after it', async () => {
  const gate = Promise.withResolvers<void>();
  const taken = ['c1', 'c2', 'c3', 'c4', 'c5'].map((name, index) =>
    owed(name, `10.0.0.${index + 2}`, { dueAt: index }),
  );
  const adds = taken.map((identity) => turns.run(identity, () => gate.promise));
  owed('c9', '10.0.0.9');
  upkeep.start();
  upkeep.wake();
  await until('the free one is released', () => grid.fixedAddresses().length === taken.length, 2_000);
  gate.resolve();
  await Promise.all(adds);
  await until('the others are too', () => grid.fixedAddresses().length === 0);
});
