/** A daemon that is stopped during a GC on a slow grid. The releases are durable, and the next daemon completes them. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { atMost } from '../../../fixture/at-most.ts';
import { Host, until } from '../../../fixture/host.ts';
import { type Grid, type RequestRecord, startGrid } from '../../../simulator/grid.ts';
import { held } from '../../infoblox/grid-and-host.ts';

const stale = 40;
let grid: Grid;
let host: Host;

beforeEach(async () => {
  grid = await startGrid();
  grid.add('network', { network: '10.0.0.0/24' });
  host = await new Host(grid).start();
  const few = atMost(8);
  await Promise.all(Array.from({ length: stale }, (_, n) => few(() => host.add(`c${n}`))));
});
afterEach(async () => {
  await host.dispose();
  await grid.stop();
});

const collect = () => host.call('GC', '', { config: { 'cni.dev/valid-attachments': [] } });
const isList = ({ query }: RequestRecord) => 'comment~' in query;

test('a GC that is stopped while it lists the grid fails with "try again", and leases of the state are released', async () => {
  grid.clearLog();
  grid.inject({ when: isList, effect: { kind: 'hang' } });
  const gc = expect(collect()).rejects.toMatchObject({ code: 11, message: 'the daemon is stopping' });
  await until('the grid is asked', () => grid.requests.some(isList));
  await host.stop();
  await gc;
  await host.start();
  await until('all of it is back', () => held(grid).length === 1);
});

test('a GC that is stopped during its releases is answered, few requests follow, and the next daemon releases the rest', async () => {
  const quicken = grid.inject({ times: 10_000, effect: { kind: 'delay', ms: 300 } });
  grid.clearLog();
  const gc = collect();
  await until('it releases', () => grid.requests.some(({ method }) => method === 'DELETE'));
  const before = grid.requests.length;
  await host.stop();
  // Four releases are under way with a look and a delete each, and the logout is the last request.
  expect(grid.requests.length - before).toBeLessThanOrEqual(9);
  await gc;
  const [line] = host.log.filter(({ message }) => message === 'GC');
  expect(Number(line?.details.released) + Number(line?.details.releasing)).toBe(stale);
  expect(line?.details.releasing).toBeGreaterThan(stale / 2);
  quicken();
  await host.start();
  await until('all of it is back', () => held(grid).length === 1);
});
