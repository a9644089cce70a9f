/** State files of a host that has run for long: many leases, without the hours that it takes to give them. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { hostSandboxes } from '../src/infoblox/lease/sandbox.ts';
import { newRow, type Row, SqliteLeaseStore } from '../src/infoblox/lease/store.ts';
import { hostPrefix } from '../src/infoblox/mark.ts';

/** The identity of lease `n`. */
export function leaseIdentity(n: number): string {
  return `${hostPrefix({ cluster: 'cluster-1', node: 'bench' })}network=bench container=old-${n} interface=eth0`;
}

/**
 * Fills a new state file with leases of the network that the bench uses, each with a network namespace that is there
 * no more. One goes through the store; the rest are copies of its row in one transaction, whatever its columns are.
 * @param over what the rows have instead
 */
export function fillState(directory: string, leases: number, over: Partial<Row> = {}): void {
  const { store } = SqliteLeaseStore.open(directory, new Conditions());
  store.put({
    ...newRow(leaseIdentity(0), 'bench', 'default', Date.now()),
    state: 'held',
    address: '10.65.0.1',
    ...hostSandboxes().identify('/run/netns/old'),
    netnsId: '4:4026532000',
    ...over,
  });
  store.setFact('adopted', 'yes');
  store.close();
  const database = new DatabaseSync(join(directory, 'state.db'));
  const row = database.prepare('SELECT * FROM attachment').get() ?? {};
  const others = Object.keys(row).filter((column) => column !== 'identity');
  const copies = leases - 1;
  database.exec(`
    WITH RECURSIVE number(n) AS (SELECT 1 WHERE ${copies} > 0 UNION ALL SELECT n + 1 FROM number WHERE n < ${copies})
    INSERT INTO attachment (identity, ${others.join(', ')})
    SELECT replace(identity, '=old-0 ', '=old-' || n || ' '), ${others.join(', ')} FROM attachment, number`);
  database.close();
}
