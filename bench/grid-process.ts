/** The simulated grid in its own process, so that it does not share an event loop with the measured code. */

import { type Grid, startGrid } from '../test/simulator/grid.ts';
import { roundTrips } from '../test/simulator/round-trips.ts';
import { leaseAddress } from './leases.ts';
import type { GridQuestion, GridState } from './remote-grid.ts';

const grid = await startGrid();
process.on('message', (question: GridQuestion) => process.send?.(answer(grid, question)));
process.on('disconnect', () => grid.stop().then(() => process.exit(0)));
process.on('SIGINT', () => {});
const { host, port, username, password, caFile } = grid;
process.send?.({ host, port, username, password, caFile });

function answer(grid: Grid, question: GridQuestion): GridState {
  if (question.latencyMs !== undefined) grid.latencyMs = question.latencyMs;
  if (question.network !== undefined) grid.add('network', { network: question.network });
  for (const range of question.ranges ?? []) grid.add('range', range);
  for (const [index, comment] of (question.reservations ?? []).entries()) {
    const ipv4addr = leaseAddress(index);
    grid.add('fixedaddress', { ipv4addr, mac: '00:00:00:00:00:00', match_client: 'RESERVED', comment });
  }
  const state = {
    requests: grid.requests.length,
    roundTrips: roundTrips(grid.requests, grid.latencyMs),
    connections: new Set(grid.requests.map((request) => request.connection)).size,
    logins: grid.logins,
    networks: grid.networks().map(({ network }) => network),
    addresses: grid.fixedAddresses().length,
  };
  if (question.clear === true) grid.clearLog();
  return state;
}
