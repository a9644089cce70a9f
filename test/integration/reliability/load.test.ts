/**
 * Five hundred containers at once on a slow grid, and a host that starts with ten thousand of them. `npm test` runs this
 * file alone: callers, daemon and grid share one process, which a second one would slow down beyond a plugin's time-out.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect } from 'vitest';
import { Conditions } from '../../../src/infoblox/conditions.ts';
import { SqliteLeaseStore } from '../../../src/infoblox/lease/store/sqlite-store.ts';
import type { Outcome } from '../../fixture/calls.ts';
import { pause, type World } from '../../fixture/world.ts';
import { lonelyWorldTest } from './world-test.ts';

const many = 500;
const wide = { ipam: { subnet: '10.40.0.0/20', gateway: '10.40.0.1' }, config: { name: 'wide' } };

async function addMany({ caller }: World): Promise<Outcome[]> {
  return Promise.all(Array.from({ length: many }, (_, index) => caller.add(`c${index}`, wide)));
}

/** Returns the largest distance of a create from its place in the queue. */
function furthestFromItsPlace({ grid }: World): number {
  const creates = grid.requests.filter(({ method, type }) => method === 'POST' && type === 'fixedaddress');
  const places = creates.map(({ body }) => Number(/container=c(\d+) /.exec(JSON.stringify(body))?.[1]));
  return Math.max(...places.map((container, place) => Math.abs(container - place)));
}

lonelyWorldTest(
  '500 ADDs at once on a slow grid all succeed, in their order, eight at a time; STATUS answers',
  async (world) => {
    const { grid, caller, ledger } = world;
    await caller.add('first', wide);
    grid.latencyMs = 50;
    grid.clearLog();
    const begin = performance.now();
    const adding = addMany(world);
    await pause(150);
    expect(await caller.status(wide)).toBe('ok');
    const taken = ledger.live.length;
    expect(new Set(await adding)).toEqual(new Set(['ok']));
    const seconds = (performance.now() - begin) / 1_000;
    expect(grid.inFlightMax).toBeLessThanOrEqual(8);
    expect(grid.requests.filter(({ type }) => type === 'fixedaddress')).toHaveLength(many);
    // 500 requests of 50 ms, eight at a time, take 3.1 s. The rest is for a busy test machine.
    expect(seconds).toBeLessThan(15);
    expect(furthestFromItsPlace(world)).toBeLessThan(32);
    // The call did not wait for all the earlier ones.
    expect(taken).toBeLessThan(0.9 * many);
    await ledger.settled();
  },
);

lonelyWorldTest(
  'ADDs that a slow grid cannot serve in time say so in time, and leave nothing',
  async (world) => {
    const { grid, caller, ledger } = world;
    await caller.add('first', wide);
    grid.latencyMs = 50;
    const begin = performance.now();
    const outcomes = await addMany(world);
    expect(performance.now() - begin).toBeLessThan(10_000);
    expect(new Set(outcomes)).toEqual(new Set(['ok', 11]));
    // Calls are served in order, so that no early one waits in vain.
    expect(outcomes.indexOf(11)).toBeGreaterThan(outcomes.filter((outcome) => outcome === 'ok').length - 32);
    expect(grid.inFlightMax).toBeLessThanOrEqual(8);
    grid.latencyMs = 0;
    await ledger.settled(20_000);
  },
  { flags: ['--add-timeout=2s'] },
);

/** Writes ten thousand leases to the state. Their reservations need not be on the grid. */
function fill(directory: string): void {
  mkdirSync(directory, { recursive: true });
  SqliteLeaseStore.open(directory, new Conditions()).store.close();
  const database = new DatabaseSync(join(directory, 'state.db'));
  database.exec('BEGIN');
  const row = database.prepare(
    `INSERT INTO lease (mark, network, view, phase, address, netns, netnsId, bootId, createdAt, writtenAt, attempts, cooldownMs)
     VALUES (?, 'net-1', 'default', 'bound', ?, '/run/netns/x', '4:1', 'boot', 0, 0, 0, 0)`,
  );
  for (let index = 0; index < 10_000; index += 1) row.run(`lease ${index}`, `10.9.${index >> 8}.${index & 255}`);
  database.exec("INSERT INTO fact VALUES ('imported', 'long ago'); COMMIT");
  database.close();
}

lonelyWorldTest(
  'a host with 10,000 leases is ready at once and does not fall upon the grid',
  async ({ host, grid }) => {
    await host.stop();
    fill(join(host.directory, 'state'));
    grid.clearLog();
    const begin = performance.now();
    await host.start();
    await host.add('c1');
    expect(performance.now() - begin).toBeLessThan(3_000);
    await pause(1_000);
    expect(grid.requests.length).toBeLessThan(15);
  },
);
