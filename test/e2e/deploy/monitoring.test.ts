/** The files of deploy/monitoring work with Prometheus's own tools, and with metrics of the built daemon. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../fixture/host.ts';
import { quoted, tableAfter } from '../../fixture/pages.ts';
import { Prometheus, prometheusObstacle, type Rule } from '../../fixture/prometheus.ts';
import { type Grid, startGrid } from '../../simulator/grid.ts';
import { freePort } from '../../simulator/http/free-port.ts';
import { BuiltHost } from '../built-host.ts';
import { monitoring, queryOf, readDashboard } from './dashboard.ts';

/** In CI, where everything is installed, the tests fail instead of being skipped. */
const obstacle = prometheusObstacle();
const leftOut = obstacle !== undefined && process.env.CI === undefined;
if (leftOut) process.stderr.write(`NOT TESTED: alerts and dashboard - ${obstacle}\n`);

const alertsFile = join(monitoring, 'alerts.yml');
const alerts = [...readFileSync(alertsFile, 'utf8').matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
const dashboard = readDashboard();
const queries = dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ title, expr })));

/** Runs promtool concurrently with the grid of this process. @throws Error with its output if it finds a fault */
const promtool = async (...args: readonly string[]) => promisify(execFile)('promtool', args);

test('docs/monitoring.md says what to do about each alert', () => {
  expect(tableAfter('docs/monitoring.md', '## Alerts').flatMap(([name]) => quoted(name))).toEqual(alerts);
});

test('alerts and dashboard use existing metrics', () => {
  const documented = tableAfter('docs/monitoring.md', '## Metrics').flatMap(([name]) => quoted(name));
  const asked = [readFileSync(alertsFile, 'utf8'), ...queries.map(({ expr }) => expr)].join('\n');
  for (const [name] of asked.matchAll(/infoblox_cni_\w+/g)) {
    expect(documented).toContain(name.replace(/_(bucket|count|sum)$/, ''));
  }
});

test('panels have unique places and names, and use only variables of the dashboard', () => {
  const taken = new Set<string>();
  for (const { title, gridPos } of dashboard.panels) {
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        expect(x < 24 && !taken.has(`${x} ${y}`), `${title} at ${x} ${y}`).toBe(true);
        taken.add(`${x} ${y}`);
      }
    }
  }
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  const variables = new Set(queries.flatMap(({ expr }) => [...expr.matchAll(/\$(\w+)/g)].map(([, name]) => name)));
  const known = dashboard.templating.list.map(({ name }) => name);
  expect([...known, '__rate_interval']).toEqual(expect.arrayContaining([...variables]));
});

describe.skipIf(leftOut)('in Prometheus', () => {
  let grid: Grid;
  let host: BuiltHost;
  let prometheus: Prometheus;
  let figures: string;

  beforeAll(async () => {
    grid = await startGrid();
    const address = `127.0.0.1:${await freePort()}`;
    host = await new BuiltHost(grid).start([`--metrics-listen=${address}`]);
    figures = `http://${address}/metrics`;
    prometheus = await Prometheus.start({ 'host-a': address }, alertsFile);
    // Rates need two scrapes.
    for (let n = 0; n < 6; n += 1) {
      await host.add(`c${n}`);
      await host.call('DEL', { containerId: `c${n}` });
      await pause(1_000);
    }
    // An address that is released later would end the alert of its view.
    await until('all but the gateway is released', () => grid.fixedAddresses().length === 1);
    const small = { config: { name: 'small' }, ipam: { subnet: '10.9.0.0/30', gateway: '10.9.0.1' } };
    await host.add('full', small);
    await host.call('ADD', { containerId: 'too-much', ...small });
  });
  afterAll(async () => {
    await prometheus?.stop();
    await host?.dispose();
    await grid?.stop();
  });

  test('the alerts are well-formed, each has a test, and the tests pass', async () => {
    await promtool('check', 'rules', alertsFile);
    const tests = join(monitoring, 'alerts.test.yml');
    const text = readFileSync(tests, 'utf8');
    for (const alert of alerts) expect(text, `no test of ${alert}`).toMatch(new RegExp(`- alertname: ${alert}\\n`));
    await promtool('test', 'rules', tests);
  });

  test('each alert can be evaluated, the full network fires, and the healthy grid does not', async () => {
    let rules: Rule[] = [];
    const active = () => rules.filter(({ state }) => state !== 'inactive').map(({ name }) => name);
    await until('both alerts about the full network', async () => {
      rules = await prometheus.rules();
      return ['InfobloxCniNetworkFull', 'InfobloxCniNetworkAlmostFull'].every((name) => active().includes(name));
    });
    expect(rules.map(({ name, health, lastError }) => ({ name, health, lastError }))).toEqual(
      alerts.map((name) => ({ name, health: 'ok', lastError: undefined })),
    );
    expect(active()).not.toContain('InfobloxCniGridUnavailable');
  });

  test.each(queries)('"$title" has data for $expr', async ({ expr }) => {
    let points = 0;
    await until('there are points', async () => {
      const series = await prometheus.range(queryOf(expr), 600);
      points = series.flatMap((one) => one.points).filter(([, value]) => Number.isFinite(value)).length;
      return points > 0;
    });
    expect(points).toBeGreaterThan(0);
  });

  test('the metrics of the daemon pass the check of Prometheus', async () => {
    const text = await (await fetch(figures)).text();
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    const ours = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('infoblox_cni_'));
    // Status 3: promtool dislikes some names that prom-client gives to metrics of Node.
    expect([0, 3]).toContain(status);
    expect(ours).toEqual([]);
  });
});
