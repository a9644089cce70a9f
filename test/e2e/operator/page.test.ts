/** The page for people in a browser. */
import { readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startBrowser } from '../../fixture/browser.ts';
import { type Grid, startGrid } from '../../simulator/grid.ts';
import { freePort } from '../../simulator/http/free-port.ts';
import { OperatorHost } from './operator-host.ts';

let grid: Grid;
let host: OperatorHost;
let browser: Browser;
let port: number;

beforeAll(async () => {
  grid = await startGrid();
  port = await freePort();
  host = await new OperatorHost(grid).start([`--metrics-listen=127.0.0.1:${port}`]);
  browser = await startBrowser();
  for (const id of ['container-1', 'container-2', 'other-3']) await host.add(id);
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await host?.dispose();
  await grid?.stop();
});

/** Opens a page. @returns it, with the messages of its console and all addresses that it loads */
async function open(address: string): Promise<{ page: Page; said: string[]; loaded: string[] }> {
  const page = await browser.newPage();
  const said: string[] = [];
  const loaded: string[] = [];
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(String(error)));
  page.on('request', (request) => loaded.push(request.url()));
  await page.goto(address);
  return { page, said, loaded };
}

const visibleRows = (page: Page) =>
  page.$$eval('#leases tbody tr', (rows) =>
    rows.filter((row) => (row as unknown as { hidden: boolean }).hidden === false).map((row) => row.textContent),
  );

test('the page shows host, networks and leases, and the search finds one of them', async () => {
  const { page, said, loaded } = await open(`http://127.0.0.1:${port}/`);
  expect(await page.title()).toBe('host-a: well - infoblox-cni');
  expect(await page.$eval('main', (main) => main.textContent)).toContain('10.0.0.0/24');
  expect(await visibleRows(page)).toEqual([
    expect.stringMatching(/^10\.0\.0\.2bound/),
    expect.stringMatching(/^10\.0\.0\.3bound/),
    expect.stringMatching(/^10\.0\.0\.4bound/),
  ]);
  await page.type('#search', 'net-1 CONTAINER-2');
  expect(await visibleRows(page)).toEqual([expect.stringContaining('container-2')]);
  expect(await page.$eval('#shown', (shown) => shown.textContent)).toBe('1');
  expect(said).toEqual([]);
  expect(loaded.filter((url) => !url.endsWith('/favicon.ico'))).toEqual([`http://127.0.0.1:${port}/`]);
});

test('the page is read-only', async () => {
  const { status, headers } = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST' });
  expect([status, headers.get('allow')]).toEqual([405, 'GET, HEAD']);
});

test('the same page can be written to a file that only root can read', async () => {
  const file = join(host.directory, 'host.html');
  const { exitCode, stdout } = await host.command('status', `--html=${file}`);
  expect([exitCode, stdout]).toEqual([0, `written to ${file}\n`]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, 'utf8')).not.toMatch(/(src|href)=/);
  const link = join(host.directory, 'link.html');
  symlinkSync(file, link);
  expect(await host.command('status', `--html=${link}`)).toMatchObject({
    exitCode: 1,
    stderr: `infoblox-cni-daemon status: cannot write ${link}: it is a symbolic link. Name another file with --html.\n`,
  });
  const { page, said } = await open(`file://${file}`);
  expect(await visibleRows(page)).toHaveLength(3);
  expect(said).toEqual([]);
});
