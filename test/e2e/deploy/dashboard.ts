/** The dashboard of deploy/monitoring, parsed like by Grafana: its panels, and their queries for one Prometheus. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';

export const monitoring = join(import.meta.dirname, '../../../deploy/monitoring');

const Step = v.object({ color: v.string(), value: v.nullable(v.number()) });

const Panel = v.object({
  id: v.number(),
  type: v.picklist(['stat', 'timeseries', 'bargauge']),
  title: v.string(),
  gridPos: v.object({ x: v.number(), y: v.number(), w: v.number(), h: v.number() }),
  targets: v.array(v.object({ refId: v.string(), expr: v.string(), legendFormat: v.string() })),
  fieldConfig: v.object({
    defaults: v.object({
      unit: v.string(),
      max: v.optional(v.number()),
      mappings: v.optional(v.array(v.object({ options: v.record(v.string(), v.object({ text: v.string() })) }))),
      thresholds: v.optional(v.object({ steps: v.array(Step) })),
    }),
  }),
});

const Dashboard = v.object({
  templating: v.object({ list: v.array(v.object({ name: v.string() })) }),
  panels: v.array(Panel),
});

export type Panel = v.InferOutput<typeof Panel>;
export type Dashboard = v.InferOutput<typeof Dashboard>;

export function readDashboard(): Dashboard {
  return v.parse(Dashboard, JSON.parse(readFileSync(join(monitoring, 'dashboard.json'), 'utf8')));
}

/** Replaces the variables of a query: all hosts, and an interval for scrapes every second. */
export function queryOf(expression: string): string {
  return expression.replaceAll('$__rate_interval', '5s').replaceAll(/\$\w+/g, '.*');
}

/** Makes the name of a series from its legend, in which `{{label}}` stands for the label's value. */
export function legendOf(format: string, labels: Readonly<Record<string, string>>): string {
  return format.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => labels[label] ?? '');
}
