import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Clock, hostClock } from '../../../../../src/infoblox/concurrency/clock.ts';
import { Conditions } from '../../../../../src/infoblox/conditions.ts';
import { Blocks } from '../../../../../src/infoblox/lease/block/blocks.ts';
import { defaultDoubtWindow } from '../../../../../src/infoblox/lease/doubt.ts';
import { SqliteLeaseStore } from '../../../../../src/infoblox/lease/store/sqlite-store.ts';
import { thisHost } from '../../../../../src/modes/daemon/host/this-host.ts';
import { findLeases } from '../../../../../src/modes/daemon/operator/leases.ts';
import { aBlock } from '../../../../fixture/a-block.ts';
import { aLease, drop, put } from '../../../../fixture/a-lease.ts';
import { ManualClock } from '../../../../fixture/manual-clock.ts';

let directory: string;
let store: SqliteLeaseStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-leases-'));
  ({ store } = SqliteLeaseStore.open(directory, new Conditions()));
});
afterEach(() => {
  store.close();
  rmSync(directory, { recursive: true, force: true });
});

function markOf(n: number): string {
  return `infoblox-cni cluster=c node=n network=net container=box-${String(n).padStart(4, '0')} interface=eth0`;
}

function find(filter = {}, clock: Clock = hostClock()) {
  const blocks = new Blocks({
    store,
    networks: { known: () => undefined },
    clock,
    conditions: new Conditions(),
    validityMs: 0,
  });
  const moment = () => ({ now: clock.now(), wall: clock.wall(), window: defaultDoubtWindow });
  return findLeases({ store, blocks, moment, host: thisHost({ clock, log: { warn: () => undefined } }) }, filter);
}

describe('a listing of many leases', () => {
  beforeEach(() => {
    for (let n = 0; n < 450; n += 1) put(store, aLease(markOf(n), { phase: n % 3 === 0 ? 'releasing' : 'bound' }));
  });

  test('has each of them once', async () => {
    const found = await find();
    expect(found.map(({ mark }) => mark)).toEqual(Array.from({ length: 450 }, (_, n) => markOf(n)));
  });

  test('can be limited to a phase', async () => {
    const found = await find({ phase: 'releasing' });
    expect(found).toHaveLength(150);
    expect(new Set(found.map(({ phase }) => phase))).toEqual(new Set(['releasing']));
  });

  test('distinguishes resting leases from those to release now', async () => {
    const clock = new ManualClock();
    put(store, aLease(markOf(0), { phase: 'releasing', restsUntil: clock.now() + 1, dueAt: clock.now() + 1 }));
    const found = await find({ phase: 'resting' }, clock);
    expect(found).toMatchObject([{ mark: markOf(0), phase: 'resting', dueAt: clock.wall() + 1 }]);
    expect(await find({ phase: 'releasing' }, clock)).toHaveLength(149);
  });

  test('shows whether an address is from a block, and whether its create is owed', async () => {
    const block = aBlock();
    store.applyBlock(block.mark, () => block);
    put(store, aLease(markOf(0), { address: '10.0.0.17', owedSince: 1 }));
    put(store, aLease(markOf(1), { address: '10.0.0.17', view: 'other' }));
    const found = await find({ address: '10.0.0.17' });
    expect(found.map(({ inBlock, isOwed }) => [inBlock, isOwed])).toEqual([
      [true, true],
      [false, false],
    ]);
  });

  test('continues at its place when leases come and go meanwhile', async () => {
    const finding = find();
    drop(store, markOf(0));
    drop(store, markOf(199));
    drop(store, markOf(200));
    put(store, aLease(markOf(449), { phase: 'releasing' }));
    const found = await finding;
    expect(found.map(({ mark }) => mark)).toEqual(
      Array.from({ length: 450 }, (_, n) => markOf(n)).filter((mark) => mark !== markOf(200)),
    );
    expect(found.at(-1)?.phase).toBe('releasing');
  });

  test('gives due times by the clock of the host, even after that was set', async () => {
    const clock = new ManualClock();
    put(store, aLease(markOf(0), { phase: 'releasing', dueAt: clock.now() + 5_000 }));
    clock.set(clock.now() + 3_600_000);
    expect((await find({ container: 'box-0000' }, clock)).map(({ dueAt }) => dueAt)).toEqual([clock.wall() + 5_000]);
  });
});
