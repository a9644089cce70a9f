import { expect } from 'vitest';
import { Host, until } from '../../../fixture/host.ts';
import { rootTest } from '../../../fixture/root.ts';
import { startGrid } from '../../../simulator/grid.ts';
import { errorOf, held } from '../../infoblox/grid-and-host.ts';
import { fill, onSmallDisk } from '../../infoblox/lease/store/small-disk.ts';

rootTest(
  'a daemon starts on a full disk, where ADD and DEL fail with the reason, and work when there is space',
  'a small file system',
  () =>
    onSmallDisk(async (directory) => {
      const grid = await startGrid();
      const host = new Host(grid, { flags: [`--state-dir=${directory}`] });
      try {
        await host.start();
        await host.add('c1');
        await until('it has read the grid', () => host.log.some(({ message }) => message === 'grid available'));
        await host.stop();
        const free = fill(directory);
        await host.start();
        expect(await errorOf(host.add('c2'))).toMatchObject({
          code: 5,
          msg: expect.stringContaining('full'),
          details: expect.stringContaining('--state-dir'),
        });
        // On this code the plugin leaves a note and succeeds.
        expect(await errorOf(host.del('c1'))).toMatchObject({ code: 5 });
        // An ADD that could not be begun has no lease, and its end is not an error.
        expect(host.log.filter(({ message }) => message.startsWith('a lease'))).toEqual([]);
        expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2']);
        free();
        await host.del('c1');
        // The reconciler looks again after a pause.
        await until('c1 is released', () => !held(grid).includes('10.0.0.2'));
        expect(await host.add('c2')).toBe('10.0.0.2');
      } finally {
        await host.dispose().catch(() => undefined);
        await grid.stop();
      }
    }),
);
