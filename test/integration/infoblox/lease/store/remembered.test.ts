/** The leases in memory equal those in the file, whatever the disk refused. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Conditions } from '../../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import { deleteAnswered, deleteInDoubt } from '../../../../../src/infoblox/lease/doubt.ts';
import * as transitions from '../../../../../src/infoblox/lease/lease.ts';
import { SqliteLeaseStore } from '../../../../../src/infoblox/lease/store/sqlite-store.ts';
import { asking, momentAt, noon, window } from '../../../../fixture/a-lease.ts';
import { ManualClock } from '../../../../fixture/manual-clock.ts';

type Lease = transitions.Lease;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-store-'));
  SqliteLeaseStore.open(directory, new Conditions()).store.close();
  const database = new DatabaseSync(join(directory, 'state.db'));
  // The disk refuses some leases and some entries of the history.
  database.exec(`
    CREATE TRIGGER one BEFORE INSERT ON lease WHEN new.attempts = 2 BEGIN SELECT RAISE(ABORT, 'refused'); END;
    CREATE TRIGGER two BEFORE INSERT ON lease WHEN new.address = '10.0.0.13' BEGIN SELECT RAISE(ROLLBACK, 'refused'); END;
    CREATE TRIGGER three BEFORE INSERT ON history WHEN new.address = '10.0.0.3' BEGIN SELECT RAISE(ABORT, 'refused'); END;
    CREATE TRIGGER four BEFORE UPDATE ON history WHEN new.address = '10.0.0.4' BEGIN SELECT RAISE(ROLLBACK, 'refused'); END`);
  database.close();
});
afterEach(() => rmSync(directory, { recursive: true }));

const identity = (mark: string) => ({ mark, network: 'net-1', view: 'default' });

/** Changes of an existing lease. */
const changes: Readonly<Record<string, (lease: Lease, n: number) => Lease | undefined>> = {
  bind: (lease, n) => transitions.bind(lease, `10.0.0.${n}`, noon),
  answer: (lease, n) => transitions.answer(lease, [`call-${n}`]),
  notAnswered: (lease, n) => transitions.notAnswered(lease, `call-${n}`),
  followView: (lease, n) => transitions.followView(lease, `view-${n}`),
  startRelease: (lease, n) => transitions.startRelease(lease, 'DEL', momentAt(n)),
  abandon: (lease) => transitions.abandon(lease, 'unfinished', noon),
  createInDoubt: (lease) => transitions.createInDoubt(lease, noon),
  deleteInDoubt: (lease) => deleteInDoubt(lease, noon),
  deleteAnswered: (lease) => deleteAnswered(lease, { ...lease, deleteInDoubtUntil: null }),
  settle: (lease) => transitions.settle(lease, noon),
  emptied: (lease) => transitions.emptied(lease),
  recheck: (lease, n) => transitions.recheck(lease, n),
  postpone: (lease, n) => transitions.postpone(lease, n),
  askAgain: (lease) => transitions.askAgain(lease, asking),
  forget: () => undefined,
};

function changed(lease: Lease | undefined, what: string, { mark, n }: { mark: string; n: number }): Lease | undefined {
  if (what === 'begin') {
    return transitions.begin(lease, { ...identity(mark), ...asking, callers: [`call-${n}`] }, noon);
  }
  if (what === 'imported') return lease ?? transitions.imported(identity(mark), `10.0.0.${n}`);
  return lease === undefined ? undefined : changes[what]?.(lease, n);
}

test('a lease in memory equals the one in the file, even if the disk refused a change', async () => {
  let refusals = 0;
  const clock = new ManualClock(noon.now);
  const step = fc.record({
    what: fc.constantFrom('begin', 'begin', 'imported', ...Object.keys(changes)),
    mark: fc.constantFrom('a', 'b', 'c'),
    n: fc.integer({ min: 2, max: 14 }),
    isLast: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 50, maxLength: 60 }), async (steps) => {
      const { store } = SqliteLeaseStore.open(directory, new Conditions(), { clock, window });
      for (const { what, mark, n, isLast } of steps) {
        store.apply(mark, (lease) => changed(lease, what, { mark, n }));
        if (!isLast) continue;
        await store.durable().catch((error) => {
          expect(error).toBeInstanceOf(GridError);
          refusals += 1;
        });
      }
      await store.durable().catch(() => undefined);
      const remembered = store.where(() => true).sort(byMark);
      store.close();
      // The clock has not moved, so doubt lasts equally long.
      const again = SqliteLeaseStore.open(directory, new Conditions(), { clock, window }).store;
      expect(again.where(() => true).sort(byMark)).toStrictEqual(remembered);
      again.close();
    }),
    { numRuns: 60 },
  );
  expect(refusals).toBeGreaterThan(10);
});

const byMark = (one: Lease, other: Lease) => (one.mark < other.mark ? -1 : 1);
