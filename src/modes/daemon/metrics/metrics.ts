/** Figures for Prometheus, served where `--metrics-listen` says. Loaded only then. */
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Transport } from '../../../infoblox/wapi/connection/transport.ts';
import { commit, version } from '../../build-info.ts';
import { type ProbeSources, probePages } from '../probes.ts';
import { type ListenAddress, type Page, type Pages, servePages, shared } from './listener.ts';
import { type ReadSources, registerReadings } from './readings.ts';
import { buckets, WapiMetrics } from './wapi-metrics.ts';

/** What is read at each scrape. */
type MetricsSources = ReadSources & ProbeSources;

export class Metrics {
  readonly #registry = new Registry();
  readonly #wapi = new WapiMetrics(this.#registry);
  readonly #calls = new Histogram({
    name: 'infoblox_cni_call_duration_seconds',
    help: 'Calls of the plugin, by CNI command and error code (0: success)',
    labelNames: ['command', 'code'],
    buckets,
    registers: [this.#registry],
  });

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    new Gauge({ name: 'infoblox_cni_build_info', help: 'Release', labelNames: ['version', 'commit'], registers }).set(
      { version, commit },
      1,
    );
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
    return this.#wapi.watch(transport);
  }

  /**
   * Serves the figures and the answers to probes.
   * @param others pages that are served beside them
   * @returns what ends it
   * @throws StartError if the address cannot be listened at
   */
  serve(address: ListenAddress, sources: MetricsSources, others: Pages): Promise<() => void> {
    registerReadings(this.#registry, sources);
    const figures = shared(() => this.#figures(sources), 0);
    return servePages(address, { '/metrics': figures, ...probePages(sources), ...others });
  }

  /** Never waits for the grid: how full networks are is asked for the next scrape. */
  async #figures({ usage }: MetricsSources): Promise<Page> {
    usage.refresh().catch(() => undefined);
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}
