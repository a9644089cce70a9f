/**
 * Draws the dashboard of deploy/monitoring with data of a real Prometheus. It does so without Grafana: it reads the panels
 * from dashboard.json, asks Prometheus their queries, and draws them with uPlot.
 */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Browser } from 'puppeteer-core';
import { legendOf, type Panel, queryOf, readDashboard } from '../e2e/deploy/dashboard.ts';
import type { Prometheus } from '../fixture/prometheus.ts';
import { observeHosts } from './monitored-hosts.ts';

/** The size in pixels. */
const width = 1320;
const row = 30;

/** A panel with its data, for draw-panels.js. */
interface DrawnPanel extends Pick<Panel, 'type' | 'title' | 'gridPos' | 'fieldConfig'> {
  /** Times in seconds since 1970. */
  readonly times: readonly number[];
  /** A value for each time, or null without one. */
  readonly series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[];
}

export async function dashboard(browser: Browser, progress: (text: string) => void): Promise<Uint8Array> {
  const { prometheus, seconds, stop } = await observeHosts(progress);
  try {
    const panels: DrawnPanel[] = [];
    for (const panel of readDashboard().panels) panels.push(await withData(prometheus, panel, seconds));
    return await draw(browser, panels);
  } finally {
    await stop();
  }
}

async function withData(
  prometheus: Prometheus,
  { type, title, gridPos, fieldConfig, targets }: Panel,
  seconds: number,
): Promise<DrawnPanel> {
  const found: { name: string; points: ReadonlyMap<number, number> }[] = [];
  for (const { expr, legendFormat } of targets) {
    for (const { labels, points } of await prometheus.range(queryOf(expr), seconds)) {
      const whole = points.map(([time, value]) => [Math.round(time), value] as const);
      found.push({ name: legendOf(legendFormat, labels), points: new Map(whole) });
    }
  }
  const times = [...new Set(found.flatMap(({ points }) => [...points.keys()]))].sort((one, other) => one - other);
  const series = found.map(({ name, points }) => ({
    name,
    values: times.map((time) => {
      const value = points.get(time);
      return value === undefined || !Number.isFinite(value) ? null : value;
    }),
  }));
  return { type, title, gridPos, fieldConfig, times, series };
}

async function draw(browser: Browser, panels: readonly DrawnPanel[]): Promise<Uint8Array> {
  const height = Math.max(...panels.map(({ gridPos }) => (gridPos.y + gridPos.h) * row));
  const page = await browser.newPage();
  await page.setViewport({ width, height });
  const uplot = dirname(createRequire(import.meta.url).resolve('uplot/package.json'));
  await page.addStyleTag({ path: join(uplot, 'dist/uPlot.min.css') });
  await page.addScriptTag({ path: join(uplot, 'dist/uPlot.iife.min.js') });
  await page.addScriptTag({ path: join(import.meta.dirname, 'draw-panels.js') });
  await page.evaluate(`drawPanels(${JSON.stringify(panels)}, ${JSON.stringify({ column: width / 24, row })})`);
  const png = await page.screenshot({ type: 'png', clip: { x: 0, y: 0, width, height } });
  await page.close();
  return png;
}
