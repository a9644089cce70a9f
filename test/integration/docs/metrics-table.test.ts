/** Compares docs/monitoring.md with a scrape of a busy host: metrics, types, labels. */
import { expect, test } from 'vitest';
import { ClientCa } from '../../fixture/client-ca.ts';
import { Host, until } from '../../fixture/host.ts';
import { quoted, tableAfter } from '../../fixture/pages.ts';
import { type Metric, scrape } from '../../fixture/scrape.ts';
import { startGrid } from '../../simulator/grid.ts';
import { freePort } from '../../simulator/http/free-port.ts';

test('docs/monitoring.md names every metric of the driver with its type and labels', async () => {
  const metrics = await metricsOfBusyHost();
  const shown = [...metrics]
    .filter(([name, { type }]) => name.startsWith('infoblox_cni_') && type !== 'part')
    .map(([name, { type, samples }]) => {
      const parts = type === 'histogram' ? metrics.get(`${name}_count`) : undefined;
      return [name, type, Object.keys((parts?.samples ?? samples)[0]?.labels ?? {})];
    });
  const documented = tableAfter('docs/monitoring.md', '## Metrics').map(([name, type, labels]) => {
    return [quoted(name)[0], type, quoted(labels)];
  });
  expect(byName(documented)).toEqual(byName(shown));
});

async function metricsOfBusyHost(): Promise<ReadonlyMap<string, Metric>> {
  const grid = await startGrid();
  const port = await freePort();
  const ca = await ClientCa.create();
  const flags = [`--metrics-listen=127.0.0.1:${port}`, ...ca.install(await ca.issue('admin'))];
  const host = await new Host(grid, { flags }).start();
  try {
    await until('the grid is well', () => host.log.some(({ message }) => message === 'grid available'));
    await host.add('c1');
    let metrics: ReadonlyMap<string, Metric> = new Map();
    await until('how full its network is stands there', async () => {
      metrics = await scrape(`http://127.0.0.1:${port}/metrics`);
      return (metrics.get('infoblox_cni_network_addresses')?.samples.length ?? 0) > 0;
    });
    return metrics;
  } finally {
    await host.dispose();
    await grid.stop();
    ca.remove();
  }
}

function byName(rows: readonly (readonly unknown[])[]): unknown[] {
  return [...rows].sort(([one], [other]) => String(one).localeCompare(String(other)));
}
