/** Metrics for Prometheus, served at `--metrics-listen`. Loaded only if that is set. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { GridError } from '../../../infoblox/errors.ts';
import { commit, version } from '../../about.ts';
import { unverifiedNotice } from '../config/trust.ts';
import type { ExchangeObserver } from '../grid-access.ts';
import { probePages } from '../probes.ts';
import { type ListenAddress, type Page, type Pages, servePages, shared } from './listener.ts';
import { type ReadSources, registerReadings } from './readings.ts';

/** Seconds. A call normally takes one WAPI request, and at worst `--add-timeout`. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

const loginResults = ['accepted', 'refused', 'failed'] as const;

export class Metrics {
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
  readonly #inFlight = new Gauge({
    name: 'infoblox_cni_wapi_requests_in_flight',
    help: 'Requests that the grid has not answered yet; 8 at most',
    registers: [this.#registry],
  });
  readonly #logins = new Counter({
    name: 'infoblox_cni_wapi_logins_total',
    help: "Requests that carried the password; each is a login in the grid's audit log",
    labelNames: ['result'],
    registers: [this.#registry],
  });

  constructor() {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    new Gauge({ name: 'infoblox_cni_build_info', help: 'Release', labelNames: ['version', 'commit'], registers }).set(
      { version, commit },
      1,
    );
    // rate() needs an initial value.
    for (const result of loginResults) this.#logins.inc({ result }, 0);
  }

  /**
   * Counts a completed call of the plugin.
   * @param code CNI error code, 0 for success
   */
  call(command: string, code: number, seconds: number): void {
    this.#calls.observe({ command, code }, seconds);
  }

  /** Counts every attempt of a request to the grid, and every login. */
  readonly exchange: ExchangeObserver = ({ method, about: type, headers }) => {
    const began = performance.now();
    this.#inFlight.inc();
    return (answer, error) => {
      this.#inFlight.dec();
      const failure = error instanceof GridError ? error.reason : 'error';
      const result = answer === undefined ? failure : String(answer.status);
      this.#requests.observe({ method, type, result }, (performance.now() - began) / 1000);
      if (headers.authorization !== undefined) this.#logins.inc({ result: loginResult(answer?.status) });
    };
  };

  /**
   * Serves the metrics and the probes.
   * @param others pages served beside them
   * @returns a function that stops the server
   * @throws StartError if it cannot listen at the address
   */
  serve(address: ListenAddress, sources: ReadSources, others: Pages): Promise<() => void> {
    registerReadings(this.#registry, sources);
    const figures = shared(() => this.#figures(sources), 0);
    return servePages(address, {
      '/metrics': figures,
      ...probePages(sources.core.leases.conditions, unverifiedNotice(sources.options.tls)),
      ...others,
    });
  }

  /** Renders the metrics without waiting for the grid: a refreshed network usage shows at the next scrape. */
  async #figures({ core }: ReadSources): Promise<Page> {
    core.usage.refresh().catch(() => undefined);
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}

/** Classifies a login by the answer's status. */
function loginResult(status = 500): (typeof loginResults)[number] {
  if (status === 401 || status === 403) return 'refused';
  return status < 500 ? 'accepted' : 'failed';
}
