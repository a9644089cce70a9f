/** What the original driver has left on the grid for containers, for people who migrate from it. */
import { listOriginals, type Original } from '../../infoblox/lease/originals.ts';
import { counted } from '../quantity.ts';
import type { Column } from '../status-text.ts';
import { type ExitStatus, exitStatus } from './command-error.ts';
import { type GridSettings, withGrid } from './grid.ts';
import { table, writeJson } from './output/results.ts';
import { showingProgress } from './output/terminal.ts';

/**
 * Asks the grid and writes the list, in all views.
 * @param asked.tenant the `Tenant ID` that the original has used
 * @throws UsageError, StartError, GridError
 */
export function showOriginals(
  settings: GridSettings,
  { tenant, json }: { readonly tenant: string; readonly json: boolean | undefined },
): Promise<ExitStatus> {
  return withGrid(settings, async ({ grid }, _, signal) => {
    const found = await showingProgress('asking the grid', () =>
      Array.fromAsync(listOriginals(grid, { tenant }, signal)),
    );
    const count = counted(found.length, 'address', 'addresses');
    if (json) writeJson(found);
    else process.stdout.write(`${listed(found)}${count} of the original driver with the tenant ${tenant}\n`);
    return exitStatus.ok;
  });
}

const columns: readonly Column<Original>[] = [
  { title: 'ADDRESS', cell: ({ address }) => address, isWhole: true },
  { title: 'NETWORK', cell: ({ network }) => network },
  { title: 'VIEW', cell: ({ view }) => view },
  { title: 'CONTAINER', cell: ({ containerId }) => containerId },
  { title: 'POD', cell: ({ name }) => name || '-' },
  { title: 'MAC', cell: ({ mac }) => mac },
  { title: 'NOTE', cell: ({ altered }) => (altered === undefined ? '' : `left alone: it ${altered}`) },
];

function listed(found: readonly Original[]): string {
  return found.length === 0 ? '' : table(columns, found);
}
