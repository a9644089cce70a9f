/** The warnings while any certificate of the grid is accepted, and their places. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Host, until } from '../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { freePort } from '../../../simulator/http/free-port.ts';
import { errorOf } from '../../infoblox/grid-and-host.ts';

const notice = "the grid's certificate is not verified (--ssl-verify=false)";

describe.each([
  ['false', 0],
  ['pin', 1],
] as const)('with --ssl-verify=%s', (value, verified) => {
  let grid: Grid;
  let host: Host;
  let url: string;
  const more = verified ? [] : [notice];
  const health = async () => (await (await fetch(`${url}/health`)).text()).trimEnd().split('\n');

  beforeEach(async () => {
    grid = await startGrid();
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    host = new Host(grid, { flags: [`--ssl-verify=${value}`, `--metrics-listen=127.0.0.1:${port}`] });
  });
  afterEach(async () => {
    await host.dispose();
    await grid.stop();
  });

  test(`the metric is ${verified}, and the log ${verified ? 'silent' : 'warns'}`, async () => {
    await host.start();
    const text = await (await fetch(`${url}/metrics`)).text();
    expect(text).toMatch(new RegExp(`^infoblox_cni_grid_certificate_verified ${verified}$`, 'm'));
    const warnings = host.log.filter(({ message }) => message.includes('certificate is not checked'));
    expect(warnings.map(({ level }) => level)).toEqual(verified ? [] : ['warn']);
  });

  test(`/health ${verified ? 'does not mention it' : 'mentions it'} on a healthy host`, async () => {
    await host.start();
    await until('the grid is well', async () => (await fetch(`${url}/health`)).status === 200);
    expect(await health()).toEqual(['ok', ...more]);
  });

  test(`/health and the details of STATUS ${verified ? 'do not mention it' : 'mention it'} during an outage`, async () => {
    await grid.pause();
    await host.start();
    const [trouble, ...rest] = await health();
    expect(trouble).toMatch(/grid/);
    expect(rest).toEqual(more);
    const { code, details } = await errorOf(host.call('STATUS', ''));
    expect(code).toBe(50);
    expect(details.includes(notice)).toBe(!verified);
  });
});
