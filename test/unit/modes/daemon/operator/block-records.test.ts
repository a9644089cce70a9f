import { expect, test } from 'vitest';
import { Conditions } from '../../../../../src/infoblox/conditions.ts';
import { foreign } from '../../../../../src/infoblox/lease/block/block.ts';
import { Blocks } from '../../../../../src/infoblox/lease/block/blocks.ts';
import { FormerNames } from '../../../../../src/infoblox/lease/former-names.ts';
import { blockRecords } from '../../../../../src/modes/daemon/operator/status.ts';
import { aBlock, blockMarkOf } from '../../../../fixture/a-block.ts';
import { ManualClock } from '../../../../fixture/manual-clock.ts';
import { Disk, MemoryLeaseStore } from '../../../../simulation/memory-store.ts';

test('blocks are listed in order, and those of a lost host with its name and the time of their return', () => {
  const clock = new ManualClock();
  const conditions = new Conditions(clock);
  const store = new MemoryLeaseStore(new Disk(), { clock, conditions });
  const names = new FormerNames(store, { cluster: 'cluster-1', node: 'host-a' });
  const blocks = new Blocks({ store, networks: { known: () => undefined }, clock, conditions, validityMs: 0 });
  const gone = foreign(aBlock({ mark: blockMarkOf(2, 'host-9'), first: '10.0.0.8' }), { waitMs: 3_600_000 });
  for (const block of [aBlock({ first: '10.0.0.128' }), gone]) store.applyBlock(block.mark, () => block);
  expect(blockRecords({ blocks, store, conditions, names, clock })).toMatchObject([
    { first: '10.0.0.8', last: '10.0.0.15', host: 'host-9', state: 'draining', returnAt: clock.wall() + 3_600_000 },
    { first: '10.0.0.128', last: '10.0.0.135', host: null, state: 'waiting', returnAt: null },
  ]);
});
