/** The states of a host's blocks, as commands and metrics show them. */
import { expect, test } from 'vitest';
import { Conditions } from '../../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import type { Block } from '../../../../../src/infoblox/lease/block/block.ts';
import { Blocks } from '../../../../../src/infoblox/lease/block/blocks.ts';
import { statesOf } from '../../../../../src/infoblox/lease/block/states.ts';
import { aBlock, blockMarkOf } from '../../../../fixture/a-block.ts';
import { aLease, put } from '../../../../fixture/a-lease.ts';
import { ManualClock } from '../../../../fixture/manual-clock.ts';
import { Disk, MemoryLeaseStore } from '../../../../simulation/memory-store.ts';

function hostWith(...blocks: Block[]) {
  const clock = new ManualClock();
  const conditions = new Conditions(clock);
  const store = new MemoryLeaseStore(new Disk(), { clock, conditions });
  store.setWhole(clock.wall());
  const networks = { known: () => undefined };
  for (const block of blocks) store.applyBlock(block.mark, () => block);
  return { clock, store, conditions, blocks: new Blocks({ store, networks, clock, conditions, validityMs: 600_000 }) };
}

const alone = ({ clock }: ReturnType<typeof hostWith>, others: string[] = []) => ({
  now: clock.now(),
  wall: clock.wall(),
  others: new Set(others),
});
const why = new GridError('network-conflict', 'it overlaps another range');

/** Makes a reservation owed for five minutes after failed attempts, while the grid shows the block alone. */
async function owe(host: ReturnType<typeof hostWith>, block: Block, attempts = 3): Promise<void> {
  put(host.store, aLease('m1', { address: '10.0.0.17', owedSince: host.clock.now(), attempts }));
  await host.clock.advance(300_001);
  host.blocks.confirm(block, alone(host));
}

test.each<[string, Partial<Block>, (host: ReturnType<typeof hostWith>, block: Block) => void | Promise<void>, string]>([
  ['whose create has just been sent', { phase: 'taking' }, () => {}, 'taking'],
  ['that this run has not looked at yet', {}, () => {}, 'waiting'],
  ['that the grid has confirmed', {}, (host, block) => host.blocks.confirm(block, alone(host)), 'serving'],
  [
    'that was confirmed too long ago',
    {},
    (host, block) => {
      host.blocks.confirm(block, alone(host));
      host.clock.set(host.clock.wall() + 600_001);
    },
    'waiting',
  ],
  [
    'of which the grid answers and does not take a reservation for five minutes',
    {},
    (host, block) => owe(host, block),
    'waiting',
  ],
  [
    'of which a reservation has failed once and waits behind thousands',
    {},
    (host, block) => owe(host, block, 1),
    'serving',
  ],
  [
    'of which the grid was away while it owed a reservation',
    {},
    async (host, block) => {
      await owe(host, block);
      host.blocks.noteGridBack();
    },
    'serving',
  ],
  ['that another range overlaps', {}, ({ blocks }, block) => blocks.stop(block, 'block-altered', why), 'stopped'],
  ['that is being returned', { phase: 'draining' }, () => {}, 'draining'],
  [
    'of a host that leaves',
    {},
    (host, block) => {
      host.blocks.confirm(block, alone(host));
      host.blocks.release(true);
    },
    'draining',
  ],
])('a block %s', async (_, over, happen, state) => {
  const block = aBlock(over);
  const host = hostWith(block);
  await happen(host, block);
  expect(statesOf(host)).toMatchObject([{ block: { mark: block.mark }, state }]);
});

test('an address of a block is free, held by a container or resting, or not counted if another host has it', () => {
  const block = aBlock();
  const host = hostWith(block, aBlock({ mark: blockMarkOf(2), first: '10.0.0.32' }));
  host.blocks.confirm(block, alone(host, ['10.0.0.16']));
  put(host.store, aLease('m1', { address: '10.0.0.17' }));
  put(host.store, aLease('m2', { address: '10.0.0.18', phase: 'releasing' }));
  put(host.store, aLease('m3', { address: '10.0.0.33' }));
  expect(statesOf(host)).toMatchObject([
    { free: 5, held: 1, resting: 1, confirmedAt: host.clock.wall(), expiresAt: host.clock.wall() + 600_000 },
    { free: 0, held: 1, resting: 0, confirmedAt: null, expiresAt: null },
  ]);
});
