/**
 * Defects of the original driver, found by running or reading it, and the behaviour of this one. The rows are in two tables.
 */
import { describe, expect, test, vi } from 'vitest';
import { startWorld } from '../../fixture/world.ts';
import { processDefects } from './defects-as-a-process.ts';
import { gridDefects } from './defects-with-the-grid.ts';

vi.setConfig({ maxConcurrency: 5 });

const defects = [...gridDefects, ...processDefects];

describe.concurrent('the original', () => {
  test.each(defects)('$original: ours $ours', async ({ run, grid, flags }) => {
    const world = await startWorld({
      ...(grid === undefined ? {} : { grid }),
      ...(flags === undefined ? {} : { flags }),
    });
    try {
      await run(world);
      expect(world.ledger.brokenNow()).toEqual([]);
    } finally {
      await world.end();
    }
  });
});
