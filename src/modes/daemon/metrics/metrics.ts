/**
 * Metrics for Prometheus, served at `--metrics-listen`, and the table of those that are read at each scrape. Loaded only if
 * that is set.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { spanOf } from '../../../infoblox/address.ts';
import { conditionKinds } from '../../../infoblox/conditions.ts';
import { GridError } from '../../../infoblox/errors.ts';
import { gridTrouble } from '../../../infoblox/grid-state.ts';
import { blockStates, statesOf } from '../../../infoblox/lease/block/states.ts';
import { shownPhases } from '../../../infoblox/lease/lease.ts';
import { maxNetworks, type Usage } from '../../../infoblox/network/usage.ts';
import { commit, version } from '../../about.ts';
import { trustOf, trusts, unverifiedNotice } from '../config/trust.ts';
import type { Parts } from '../daemon.ts';
import type { ExchangeObserver } from '../grid-access.ts';
import { probePages } from '../probes.ts';
import { type ListenAddress, type Page, type Pages, servePages, shared } from './listener.ts';

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

interface ReadSources extends Parts {
  readonly server: { readonly inFlight: number };
}

type Sample = readonly [labels: Record<string, string>, value: number];

interface Row {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** A counter if set, otherwise a gauge. */
  readonly counts?: true;
  /** Returns a number if there are no labels. */
  readonly read: (sources: ReadSources) => number | readonly Sample[];
}

const rows: readonly Row[] = [
  {
    name: 'infoblox_cni_leases',
    help: 'Addresses that this host owns, by phase',
    labels: ['phase'],
    read: ({ store }) => shownPhases.map((phase) => [{ phase }, store.count(phase)]),
  },
  {
    name: 'infoblox_cni_attachments_held',
    help: 'Attachments that hold an address',
    read: ({ store }) => store.count('bound'),
  },
  {
    name: 'infoblox_cni_releases_owed',
    help: 'Releases that are due on the grid, without resting addresses',
    read: ({ store }) => store.count('releasing'),
  },
  {
    name: 'infoblox_cni_oldest_release_age_seconds',
    help: 'Age of the oldest release that waits for the grid; 0 without one',
    read: ({ store }) => Math.max((Date.now() - (store.oldestRelease() ?? Date.now())) / 1000, 0),
  },
  {
    name: 'infoblox_cni_leases_reaped_total',
    help: 'Leases that were released because the sandbox of their container is gone',
    counts: true,
    read: ({ core }) => core.leases.tally.reaped,
  },
  {
    name: 'infoblox_cni_reservations_recreated_total',
    help: 'Reservations that the grid had lost and that were re-created',
    counts: true,
    read: ({ core }) => core.leases.tally.recreated,
  },
  {
    name: 'infoblox_cni_blocks',
    help: 'Host blocks, by state',
    labels: ['state'],
    read: ({ core }) => {
      const found = statesOf(core.leases);
      return blockStates.map((state) => [{ state }, found.filter((block) => block.state === state).length]);
    },
  },
  {
    name: 'infoblox_cni_block_addresses',
    help: 'Addresses of host blocks, by use: free ones can be allocated now',
    labels: ['use'],
    read: ({ core }) => {
      const found = statesOf(core.leases);
      const uses = ['free', 'held', 'resting'] as const;
      return uses.map((use) => [{ use }, found.reduce((sum, block) => sum + block[use], 0)]);
    },
  },
  {
    name: 'infoblox_cni_block_hand_outs_total',
    help: 'ADDs answered with an address of a host block',
    counts: true,
    read: ({ core }) => core.leases.blocks.tally.assigned,
  },
  {
    name: 'infoblox_cni_block_misses_total',
    help: 'ADDs of networks with a block size that no host block could serve',
    counts: true,
    read: ({ core }) => core.leases.blocks.tally.missed,
  },
  {
    name: 'infoblox_cni_grid_up',
    help: '1 if the last requests to the grid succeeded',
    read: ({ core }) => (gridTrouble(core.leases.conditions) === undefined ? 1 : 0),
  },
  {
    name: 'infoblox_cni_conditions',
    help: 'Current conditions, by kind; there can be several of a kind',
    labels: ['kind'],
    read: ({ core }) => {
      const standing = core.leases.conditions.all();
      return conditionKinds.map((kind) => [{ kind }, standing.filter((condition) => condition.kind === kind).length]);
    },
  },
  {
    name: 'infoblox_cni_calls_in_flight',
    help: 'Calls of the plugin that are being served',
    read: ({ server }) => server.inFlight,
  },
  {
    name: 'infoblox_cni_wapi_requests_waiting',
    help: 'Requests that wait to be sent',
    read: ({ access }) => access.session.waiting,
  },
  {
    name: 'infoblox_cni_grid_certificate_verified',
    help: "1 if the grid's certificate or public key is checked, 0 with --ssl-verify=false",
    read: ({ options }) => (trustOf(options.tls) === 'unverified' ? 0 : 1),
  },
  {
    name: 'infoblox_cni_grid_trust_info',
    help: "How the grid's certificate is checked: --ssl-verify",
    labels: ['mode'],
    read: ({ options }) => trusts.map((mode) => [{ mode }, mode === trustOf(options.tls) ? 1 : 0]),
  },
  {
    name: 'infoblox_cni_grid_certificate_expiry_timestamp_seconds',
    help: "Expiry of a grid host's certificate",
    labels: ['host'],
    read: ({ access }) => {
      return [...access.certificates].map(([host, { validTo }]) => [{ host }, Date.parse(validTo) / 1000]);
    },
  },
  {
    name: 'infoblox_cni_client_certificate_expiry_timestamp_seconds',
    help: "Expiry of this host's client certificate; absent without --wapi-client-cert",
    labels: ['file'],
    read: ({ options: { clientCertificate } }) =>
      clientCertificate === undefined
        ? []
        : [[{ file: clientCertificate.file }, clientCertificate.read().pair.expiresAt / 1000]],
  },
  ofNetworks(
    'infoblox_cni_network_addresses',
    'Usable addresses of a network, for at most 50 networks of this host',
    ({ total }) => total,
  ),
  ofNetworks(
    'infoblox_cni_network_addresses_used',
    'Addresses in use, by any host: the last count of the grid, in steps of a thousandth of the network',
    ({ used }) => used,
  ),
  ofNetworks('infoblox_cni_network_addresses_free', 'Free addresses of a network', ({ total, used }) => total - used),
  {
    name: 'infoblox_cni_network_full',
    help: '1 if an ADD found no free address in a network and none was released since',
    labels: ['network', 'view'],
    read: ({ core }) => [
      ...core.usage.all.map((one): Sample => [labelsOf(one), 0]),
      ...core.leases.exhaustion.full
        .slice(0, maxNetworks)
        .map(({ nextOf, view }): Sample => [{ network: spanOf(nextOf), view }, 1]),
    ],
  },
];

/** Registers the table's metrics. */
function registerReadings(registry: Registry, sources: ReadSources): void {
  for (const { name, help, labels = [], counts, read } of rows) {
    const Kind = counts ? Counter : Gauge;
    new Kind({
      name,
      help,
      labelNames: labels,
      registers: [registry],
      collect() {
        this.reset();
        const values = read(sources);
        if (typeof values === 'number') this.inc(values);
        else for (const [sample, value] of values) this.inc(sample, value);
      },
    });
  }
}

/** Makes the row of a figure of the networks whose addresses the grid counts; it does not count those of all networks. */
function ofNetworks(name: string, help: string, figure: (one: Usage & { readonly used: number }) => number): Row {
  const read = ({ core }: ReadSources) =>
    core.usage.all.flatMap(({ used, ...one }): Sample[] =>
      used === undefined ? [] : [[labelsOf(one), figure({ ...one, used })]],
    );
  return { name, help, labels: ['network', 'view'], read };
}

function labelsOf({ cidr, view }: Pick<Usage, 'cidr' | 'view'>): Record<string, string> {
  return { network: cidr.text, view };
}
