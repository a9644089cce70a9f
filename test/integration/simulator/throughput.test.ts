import { expect, test } from 'vitest';
import { startGrid } from '../../simulator/grid.ts';
import { reservation } from '../../simulator/grid-fixture.ts';
import { WapiClient } from '../../simulator/wapi-client.ts';

test('the 20,000th address costs as little as the first', async () => {
  const grid = await startGrid();
  try {
    grid.add('network', { network: '10.0.0.0/16' });
    // Its processor time, as other processes may be busy during one of the two measurements.
    const fill = (count: number) => {
      const start = process.cpuUsage();
      for (let i = 0; i < count; i++) {
        const reference = grid.add(
          'fixedaddress',
          reservation('func:nextavailableip:10.0.0.0/16', { comment: `pod ${i}` }),
        );
        if (i % 10 === 0) grid.remove(reference);
      }
      return process.cpuUsage(start).user / 1_000;
    };
    fill(2_000);
    const early = fill(2_000);
    fill(16_000);
    const late = fill(2_000);
    expect(late).toBeLessThan(4 * early + 100);
  } finally {
    await grid.stop();
  }
});

test('searches through an index stay fast among many addresses', async () => {
  const grid = await startGrid();
  const client = new WapiClient(grid);
  try {
    grid.add('network', { network: '10.0.0.0/16' });
    for (let i = 0; i < 10_000; i++) {
      grid.add('fixedaddress', reservation('func:nextavailableip:10.0.0.0/16', { comment: `pod ${i}` }));
    }
    await client.get('grid');
    const start = process.cpuUsage();
    for (let i = 0; i < 200; i++) {
      const query = { comment: `pod ${i * 37}`, network: '10.0.0.0/16', network_view: 'default' };
      expect((await client.get('fixedaddress', query)).rows).toHaveLength(1);
    }
    // A scan of all addresses would take about a hundred times as long as the request itself.
    expect(process.cpuUsage(start).user / 1_000).toBeLessThan(8_000);
  } finally {
    await client.close();
    await grid.stop();
  }
});
