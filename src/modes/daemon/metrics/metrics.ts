/** Figures for Prometheus, served where `--metrics-listen` says. Loaded only then. */
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Conditions } from '../../../infoblox/conditions.ts';
import { GridError } from '../../../infoblox/errors.ts';
import type { SqliteLeaseStore } from '../../../infoblox/lease/state/store.ts';
import type { Transport } from '../../../infoblox/wapi/connection/transport.ts';
import { gridTrouble } from '../../../infoblox/wapi/grid-state.ts';
import { commit, version } from '../../build-info.ts';
import { type ListenAddress, type Page, type Pages, servePages } from './listener.ts';
import { probes } from './probes.ts';

/** Seconds: a call takes one WAPI request in the steady state, and as long as `--add-timeout` at worst. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** What is read at each scrape. */
export interface MetricsSources {
  readonly store: Pick<SqliteLeaseStore, 'count'>;
  readonly conditions: Conditions;
  /** A line of `/health` while the grid's certificate is not verified. */
  readonly unverified: string | undefined;
}

export class Metrics {
  readonly #sources: MetricsSources;
  readonly #registry = new Registry();
  readonly #calls = new Histogram({
    name: 'infoblox_cni_call_duration_seconds',
    help: 'Calls of the plugin, by CNI command and error code (0: success)',
    labelNames: ['command', 'code'],
    buckets,
    registers: [this.#registry],
  });
  readonly #requests = new Histogram({
    name: 'infoblox_cni_wapi_request_duration_seconds',
    help: 'Requests to the grid, by method, object type and HTTP status or reason of failure',
    labelNames: ['method', 'type', 'result'],
    buckets,
    registers: [this.#registry],
  });

  constructor(sources: MetricsSources) {
    this.#sources = sources;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry, prefix: 'infoblox_cni_' });
    new Gauge({ name: 'infoblox_cni_build_info', help: 'Release', labelNames: ['version', 'commit'], registers }).set(
      { version, commit },
      1,
    );
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    gauge('infoblox_cni_attachments_held', 'Attachments that hold an address', () => sources.store.count('bound'));
    gauge('infoblox_cni_releases_owed', 'Releases that are still to be made on the grid', () =>
      sources.store.count('releasing'),
    );
    gauge(
      'infoblox_cni_grid_certificate_verified',
      "1 if the grid's certificate or public key is checked, 0 with --ssl-verify=false",
      () => (sources.unverified === undefined ? 1 : 0),
    );
    const up = () => (gridTrouble(sources.conditions) === undefined ? 1 : 0);
    gauge('infoblox_cni_grid_up', '1 if the grid serves requests, as the last ones showed', up);
  }

  /**
   * Counts a call of the plugin that has ended.
   * @param code CNI error code, 0 for success
   */
  call(command: string, code: number, seconds: number): void {
    this.#calls.observe({ command, code }, seconds);
  }

  /** Returns the same transport, its exchanges counted. */
  watch(transport: Transport): Transport {
    return {
      exchange: async (exchange) => {
        const { method, url } = exchange;
        const type = /\/wapi\/v[^/]+\/([a-z0-9_:]+)/.exec(url)?.[1] ?? 'other';
        const begin = performance.now();
        const observe = (result: string) =>
          this.#requests.observe({ method, type, result }, (performance.now() - begin) / 1000);
        try {
          const answer = await transport.exchange(exchange);
          observe(String(answer.status));
          return answer;
        } catch (error) {
          observe(error instanceof GridError ? error.reason : 'error');
          throw error;
        }
      },
      close: () => transport.close(),
    };
  }

  /**
   * Serves the figures and the answers to probes.
   * @param others pages that are served beside them
   * @returns what ends it
   * @throws StartError if the address cannot be listened at
   */
  serve(address: ListenAddress, others: Pages): Promise<() => void> {
    return servePages(address, { '/metrics': () => this.#figures(), ...probes(this.#sources), ...others });
  }

  async #figures(): Promise<Page> {
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}
