/** The clock of the host is set, while the daemon runs and between two runs. */
import { expect, test } from 'vitest';
import { endLease } from '../../../../src/infoblox/lease/endings.ts';
import { postpone } from '../../../../src/infoblox/lease/lease.ts';
import { Reconciler } from '../../../../src/infoblox/lease/reconciler.ts';
import { aLease, put } from '../../../fixture/a-lease.ts';
import { ManualClock } from '../../../fixture/manual-clock.ts';
import { markOf, useLeases } from './lease-fixture.ts';

const hour = 3_600_000;
let clock: ManualClock;
const fixture = useLeases(() => {
  clock = new ManualClock();
  return clock;
});

test.each([
  ['back', -hour],
  ['forward', hour],
])('that is set %s delays no release on a busy host', async (_, by) => {
  const { deps, store, grid } = fixture();
  const reconciler = new Reconciler(deps);
  reconciler.start();
  const containers = Array.from({ length: 38 }, (_, n) => `c${n}`);
  const deleted = containers.map((container, n) => {
    const mark = markOf(container);
    const address = `10.0.0.${n + 2}`;
    fixture().reserve(container, address);
    put(store, aLease(mark, { address, phase: 'bound' }));
    // Half of the releases begin before the clock is set, and fail once.
    if (n === 19) clock.set(clock.now() + by);
    endLease(deps, aLease(mark), { cause: 'DEL' });
    if (n < 19) store.apply(mark, (lease) => lease && postpone(lease, clock.now() + 1_000));
    return mark;
  });
  const left = () => deleted.filter((mark) => store.get(mark) !== undefined);
  for (let n = 0; n < 300 && left().length > 0; n += 1) {
    // Each ADD and DEL of other containers makes the reconciler compute the next due time.
    put(store, aLease(markOf('other'), { address: '10.0.0.99', dueAt: clock.now() + hour + n }));
    await clock.advance(20);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  reconciler.stop();
  expect(left()).toEqual([]);
  expect(grid.fixedAddresses()).toEqual([]);
});
