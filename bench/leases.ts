/** State files with many leases, without the hours that it would take to allocate them. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { hostClock } from '../src/infoblox/concurrency/clock.ts';
import { Conditions } from '../src/infoblox/conditions.ts';
import { defaultDoubtWindow } from '../src/infoblox/lease/doubt.ts';
import { begin, bind, type Lease } from '../src/infoblox/lease/lease.ts';
import { SqliteLeaseStore } from '../src/infoblox/lease/store/sqlite-store.ts';
import { hostPrefix } from '../src/infoblox/mark.ts';
import { thisHost } from '../src/modes/daemon/host/this-host.ts';

export function leaseMark(n: number): string {
  return `${hostPrefix({ cluster: 'cluster-1', node: 'bench' })}network=bench container=old-${n} interface=eth0`;
}

/** Returns the address of lease `n`. The bench's network allocates the lowest addresses and never gets there. */
export function leaseAddress(n: number): string {
  const number = n + 256;
  return `10.${65 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
}

/**
 * Fills a new state file with bound leases of the bench's network whose network namespaces are gone. One is saved by
 * the store; the others are copies of its row in one transaction, whatever its columns are.
 * @param change the next transition of each lease
 */
export function fillState(directory: string, leases: number, change = (lease: Lease) => lease): void {
  const { store } = SqliteLeaseStore.open(directory, new Conditions());
  const mark = leaseMark(0);
  const sandbox = {
    ...thisHost({ clock: hostClock(), log: { warn: () => undefined } }).identify('/run/netns/old'),
    netnsId: '4:4026532000',
  };
  const beginning = {
    mark,
    network: 'bench',
    view: 'default',
    sandbox,
    workload: { containerId: 'old-0' },
    callers: [],
    cooldownMs: 0,
  };
  const moment = { now: Date.now(), wall: Date.now(), window: defaultDoubtWindow };
  store.apply(mark, () => change(bind(begin(undefined, beginning, moment), leaseAddress(0), moment)));
  store.setWhole(moment.now);
  store.close();
  const database = new DatabaseSync(join(directory, 'state.db'));
  const row = database.prepare('SELECT * FROM lease').get() ?? {};
  const others = Object.keys(row).filter((column) => column !== 'mark' && column !== 'address');
  const copies = leases - 1;
  database.function('leaseAddress', (n) => leaseAddress(Number(n)));
  database.exec(`
    WITH RECURSIVE number(n) AS (SELECT 1 WHERE ${copies} > 0 UNION ALL SELECT n + 1 FROM number WHERE n < ${copies})
    INSERT INTO lease (mark, address, ${others.join(', ')})
    SELECT replace(mark, '=old-0 ', '=old-' || n || ' '), leaseAddress(n), ${others.join(', ')} FROM lease, number`);
  database.close();
}
