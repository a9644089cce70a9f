/** Two hosts whose daemons are processes, one grid, and a ledger of the answers. */

import { Ledger, plantStrangers } from '../../fixture/ledger.ts';
import { ProcessHost } from '../../fixture/process-host.ts';
import { type Grid, startGrid } from '../../simulator/grid.ts';
import { latest } from './chaos-trouble.ts';

export interface ChaosWorld {
  readonly grid: Grid;
  readonly ledger: Ledger;
  readonly hosts: ReadonlyMap<string, ProcessHost>;
  end(): Promise<void>;
}

export async function startChaosWorld(): Promise<ChaosWorld> {
  const grid = await startGrid();
  plantStrangers(grid);
  const ledger = new Ledger(grid);
  ledger.rememberStrangers();
  // No request of the run can be carried out that late.
  const doubtWindow = { recheck: latest + 250, end: 4 * latest };
  const hosts = new Map(
    ['host-a', 'host-b'].map((node) => [
      node,
      new ProcessHost(grid, { node, doubtWindow, flags: ['--add-timeout=5s', '--log-level=warn'] }),
    ]),
  );
  for (const host of hosts.values()) await host.start();
  return {
    grid,
    ledger,
    hosts,
    async end() {
      for (const host of hosts.values()) await host.dispose();
      await grid.stop();
    },
  };
}
