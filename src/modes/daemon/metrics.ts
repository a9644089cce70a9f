/** Figures for Prometheus, served where `--metrics-listen` says. Loaded only then. */
import { createServer, type ServerResponse } from 'node:http';
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Conditions } from '../../infoblox/conditions.ts';
import { GridError } from '../../infoblox/errors.ts';
import { messageOf } from '../../infoblox/host/errno.ts';
import type { SqliteLeaseStore } from '../../infoblox/lease/state/store.ts';
import type { Transport } from '../../infoblox/wapi/connection/transport.ts';
import { gridTrouble } from '../../infoblox/wapi/grid-state.ts';
import { commit, version } from '../build-info.ts';
import { StartError } from './start-error.ts';

/** Seconds: a call takes one WAPI request in the steady state, and as long as `--add-timeout` at worst. */
const buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Limits of a client, in milliseconds, and of all: it may be anybody who reaches the address. */
const clients = { request: 5_000, idle: 10_000, connections: 32 };

/** What is read at each scrape. */
export interface MetricsSources {
  readonly store: Pick<SqliteLeaseStore, 'count'>;
  readonly conditions: Conditions;
  /** A line of `/health` while the grid's certificate is not verified. */
  readonly unverified: string | undefined;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
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
   * Serves `/metrics`, and `/health` for probes: 200, or 503 with the reason; 500 if the state cannot be read.
   * @returns what ends it
   * @throws StartError if the address cannot be listened at
   */
  async serve({ host, port }: ListenAddress): Promise<() => void> {
    const limits = {
      headersTimeout: clients.request,
      requestTimeout: clients.request,
      keepAliveTimeout: clients.idle,
      connectionsCheckingInterval: 1_000,
    };
    const server = createServer(limits, (request, response) => {
      this.#answer(request.url, response).catch((error) => {
        response.writeHead(500).end(`${messageOf(error)}\n`);
      });
    });
    server.timeout = clients.idle; // also for one that does not read its answer
    server.maxConnections = clients.connections;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        const fix = 'give --metrics-listen another port, or another address of this host';
        reject(new StartError(`cannot serve metrics at --metrics-listen ${host}:${port}: ${error.message}`, fix));
      });
      server.listen(port, host, resolve);
    });
    return () => {
      server.close();
      server.closeAllConnections();
    };
  }

  async #answer(url: string | undefined, response: ServerResponse): Promise<void> {
    if (url === '/metrics') {
      const text = await this.#registry.metrics();
      response.setHeader('content-type', this.#registry.contentType).end(text);
    } else if (url === '/health') {
      const { conditions, unverified } = this.#sources;
      const trouble = gridTrouble(conditions)?.error;
      const lines = [trouble?.message ?? 'ok', unverified ?? []].flat();
      response.writeHead(trouble === undefined ? 200 : 503).end(`${lines.join('\n')}\n`);
    } else response.writeHead(404).end('try /metrics or /health\n');
  }
}
