/** Figures for Prometheus, served where `--metrics-listen` says. Loaded only then. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { GridError } from '../../../infoblox/errors.ts';
import type { Exchange, Transport } from '../../../infoblox/wapi/connection/transport.ts';
import { commit, version } from '../../about.ts';
import { type ProbeSources, probePages } from '../probes.ts';
import { type ListenAddress, type Page, type Pages, servePages, shared } from './listener.ts';
import { type ReadSources, registerReadings } from './readings.ts';

/** Seconds: a call takes one WAPI request in the steady state, and as long as `--add-timeout` at worst. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

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

const loginResults = ['accepted', 'refused', 'failed'] as const;

/** Requests to the grid and logins, counted where they are sent: each attempt is one. */
class WapiMetrics {
  readonly #requests: Histogram<'method' | 'type' | 'result'>;
  readonly #inFlight: Gauge;
  readonly #logins: Counter<'result'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Histogram({
      name: 'infoblox_cni_wapi_request_duration_seconds',
      help: 'Requests to the grid, by method, object type and HTTP status or reason of failure',
      labelNames: ['method', 'type', 'result'],
      buckets,
      registers,
    });
    this.#inFlight = new Gauge({
      name: 'infoblox_cni_wapi_requests_in_flight',
      help: 'Requests that the grid has not answered yet; 8 at most',
      registers,
    });
    this.#logins = new Counter({
      name: 'infoblox_cni_wapi_logins_total',
      help: 'Requests that carried the password, each a login in the audit log of the grid',
      labelNames: ['result'],
      registers,
    });
    // A rate needs a beginning.
    for (const result of loginResults) this.#logins.inc({ result }, 0);
  }

  /** Returns the same transport, its exchanges counted. */
  watch(transport: Transport): Transport {
    return { exchange: (exchange) => this.#count(transport, exchange), close: () => transport.close() };
  }

  async #count(transport: Transport, exchange: Exchange): ReturnType<Transport['exchange']> {
    const { method, about: type, headers } = exchange;
    const began = performance.now();
    const ended = (result: string, login: (typeof loginResults)[number]) => {
      this.#inFlight.dec();
      this.#requests.observe({ method, type, result }, (performance.now() - began) / 1000);
      if (headers.authorization !== undefined) this.#logins.inc({ result: login });
    };
    this.#inFlight.inc();
    try {
      const answer = await transport.exchange(exchange);
      ended(String(answer.status), loginResult(answer.status));
      return answer;
    } catch (error) {
      ended(error instanceof GridError ? error.reason : 'error', 'failed');
      throw error;
    }
  }
}

/** What the status of an answer says of the password. */
function loginResult(status: number): (typeof loginResults)[number] {
  if (status === 401 || status === 403) return 'refused';
  return status < 500 ? 'accepted' : 'failed';
}
