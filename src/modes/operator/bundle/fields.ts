/**
 * Selects and masks the fields of a support bundle. Shapes list the fields to include; all others are left out. With --redact, the kind of
 * a field says how it is masked. Give each new field the kind of name that it may contain.
 */
import { isIP, isIPv4 } from 'node:net';
import { isJsonObject } from '../../../cni/call.ts';

/** Kinds that are masked by a pseudonym: `container~3`. `mark`: that of an attachment or a block. */
type Name =
  | 'host'
  | 'cluster'
  | 'container'
  | 'pod'
  | 'namespace'
  | 'job'
  | 'network'
  | 'view'
  | 'user'
  | 'file'
  | 'mark';

export type Kind =
  /** Never masked. */
  | 'plain'
  /** May contain any name: left out with --redact. */
  | 'text'
  /** May contain a secret: written as `[set]`. */
  | 'presence'
  /** Without user, path and query. */
  | 'url'
  /** IPv4 addresses, with or without a prefix length. */
  | 'address'
  /** `namespace/pod`, or one name. */
  | 'workload'
  | Name;

/** The members of a JSON value to include, and their kinds. A list has the shape of its elements. */
export type Shape = Kind | { readonly [name: string]: Shape };

/**
 * Makes a shape.
 * @param names of members by their kind, separated by blanks
 * @param inner members with a shape of their own
 */
export function shape(
  names: Readonly<Partial<Record<Kind, string>>>,
  inner: { readonly [name: string]: Shape } = {},
): { readonly [name: string]: Shape } {
  const kinds = Object.entries(names) as [Kind, string][];
  const members = kinds.flatMap(([kind, list]) => list.split(' ').map((name) => [name, kind] as const));
  return { ...Object.fromEntries(members), ...inner };
}

/** The daemon's flags. */
export const flagShape = shape({
  plain:
    'wapi-port wapi-version socket-dir driver-name add-timeout reap-after prefix-length create block-size block-validity ip-cooldown state-dir lease-history log-level log-format',
  presence: 'wapi-password',
  text: 'wapi-password-file wapi-client-cert wapi-client-key ssl-verify labels metrics-listen',
  host: 'grid-host node-name',
  cluster: 'cluster-name release-original',
  user: 'wapi-username',
  view: 'network-view',
  address: 'network-container',
});

/** Environment variables; for those of traces see the OpenTelemetry specification, "OpenTelemetry Protocol Exporter". */
export const variableShape = shape({
  plain: `OTEL_SDK_DISABLED OTEL_TRACES_EXPORTER OTEL_TRACES_SAMPLER OTEL_TRACES_SAMPLER_ARG OTEL_EXPORTER_OTLP_TIMEOUT \
OTEL_EXPORTER_OTLP_COMPRESSION OTEL_EXPORTER_OTLP_PROTOCOL OTEL_EXPORTER_OTLP_TRACES_PROTOCOL OTEL_BSP_SCHEDULE_DELAY \
OTEL_BSP_EXPORT_TIMEOUT OTEL_BSP_MAX_QUEUE_SIZE OTEL_BSP_MAX_EXPORT_BATCH_SIZE`,
  presence: 'WAPI_PASSWORD OTEL_EXPORTER_OTLP_HEADERS OTEL_EXPORTER_OTLP_TRACES_HEADERS OTEL_RESOURCE_ATTRIBUTES',
  url: 'OTEL_EXPORTER_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  text: 'CREDENTIALS_DIRECTORY TMPDIR SSL_CERT_FILE SSL_CERT_DIR OTEL_EXPORTER_OTLP_CERTIFICATE OTEL_SERVICE_NAME',
});

/** Properties of the unit, including those that a drop-in may change: org.freedesktop.systemd1(5). */
export const unitProperties = `ActiveState,SubState,Result,NRestarts,ExecMainStatus,ExecMainStartTimestamp,MemoryCurrent,UnitFileState,\
FragmentPath,DropInPaths,User,Group,Type,NotifyAccess,WatchdogUSec,Restart,TimeoutStopUSec,MemoryMax,TasksMax,CapabilityBoundingSet,\
AmbientCapabilities,PrivateUsers,ProtectProc,ProtectSystem,ReadWritePaths,ReadOnlyPaths`;

/** Fields of the daemon's log: docs/logs.md. */
export const logShape = shape({
  plain:
    'time level message command code condition kind interface milliseconds attempts count bound resting releasing released version commit trace_id span_id',
  host: 'node grid host from',
  network: 'network',
  view: 'view',
  container: 'container',
  namespace: 'namespace',
  pod: 'pod uid',
  job: 'job taskGroup region',
  mark: 'attachment block',
  address: 'address addresses subnet first last',
  text: 'error details reason hint was to file socket',
});

/** Fields that systemd writes about a unit: systemd.journal-fields(7). */
export const journalShape = shape({ plain: 'EXIT_CODE EXIT_STATUS UNIT_RESULT JOB_TYPE JOB_RESULT' });

/** os-release(5). */
export const releaseShape = shape({ plain: 'NAME ID ID_LIKE VERSION_ID VARIANT_ID' });

/** Keys of a main plugin, and of its `ipam`. */
const pluginShape = shape(
  {
    plain: 'cniVersion type bridge isGateway isDefaultGateway ipMasq hairpinMode promiscMode master mode mtu vlan',
    network: 'name',
  },
  {
    capabilities: shape({ plain: 'ips ipRanges mac' }),
    ipam: shape(
      {
        plain: 'type prefix-length create block-size ip-cooldown socket-dir',
        address: 'subnet gateway network-container',
        view: 'network-view',
      },
      { routes: shape({ address: 'dst gw' }) },
    ),
  },
);
/** A network configuration, or a list of plugins. */
export const networkShape = shape({ plain: 'disableCheck disableGC' }, { ...pluginShape, plugins: pluginShape });

export const statusShape = shape(
  {
    plain: 'version commit startedAt driver stateDir oldestRelease blocksReleased',
    cluster: 'cluster',
    host: 'node formerNames',
  },
  {
    grid: shape({
      plain: 'answeredAt port wapiVersion trust isLoggedIn certificateEndsAt clientCertificateEndsAt',
      host: 'hosts inUse',
      user: 'user',
    }),
    conditions: shape({ plain: 'kind since', text: 'subject message hint' }),
    networks: shape({ plain: 'bound total used', network: 'name', view: 'view', address: 'cidr' }),
    blocks: shape({
      plain: 'state free held resting confirmedAt expiresAt returnAt',
      mark: 'mark',
      network: 'network',
      view: 'view',
      address: 'cidr first last',
      host: 'host',
    }),
    leases: shape({ plain: 'pending bound owed resting releasing' }),
    errors: shape({ plain: 'at message', text: 'error hint' }),
  },
);

export const leasesShape = {
  leases: shape({
    plain: 'ifName phase createdAt dueAt attempts inDoubt inBlock isOwed sandbox',
    mark: 'mark',
    network: 'network',
    container: 'containerId',
    view: 'view',
    address: 'address',
    workload: 'workload',
    text: 'netns',
  }),
};

/** Findings of `doctor`; a network's name in `group` is already masked. */
export const findingShape = shape({ plain: 'level group title', text: 'message fix' });

const leftOut = '[left out]';
/** Names that identify no site. */
const common: readonly string[] = ['default', 'cluster-1'];

export class Fields {
  readonly #redact: boolean;
  /** The kind as which each name was first met. */
  readonly #kinds = new Map<string, string>();
  readonly #numbers = new Map<string, Map<string, number>>();

  /** @param redact whether names, addresses and free texts are masked */
  constructor(redact: boolean) {
    this.#redact = redact;
  }

  /** Copies the members of a JSON value that a shape names; undefined if the value has another shape. */
  select(value: unknown, shape: Shape): unknown {
    if (Array.isArray(value)) return value.map((item) => this.select(item, shape));
    if (value === null) return null;
    if (typeof shape === 'string') {
      if (typeof value === 'object') return undefined;
      return typeof value === 'string' || shape === 'presence' ? this.write(shape, String(value)) : value;
    }
    if (!isJsonObject(value)) return undefined;
    const named = Object.entries(value).flatMap(([name, member]) => {
      const inner = Object.hasOwn(shape, name) ? shape[name] : undefined;
      return inner === undefined ? [] : [[name, this.select(member, inner)] as const];
    });
    return Object.fromEntries(named);
  }

  /** Masks a text according to its kind. */
  write(kind: Kind, text: string): string {
    if (text === '' || kind === 'plain') return text;
    if (kind === 'presence') return '[set]';
    if (kind === 'url') return this.#redact ? leftOut : (URL.parse(text)?.origin ?? leftOut);
    // A URL given as a host may contain a password.
    if (!this.#redact) return kind === 'host' && !/^[\w.:[\], -]+$/.test(text) ? leftOut : text;
    if (kind === 'text') return leftOut;
    if (kind === 'workload') return this.#workload(text);
    const mask = (part: string) => (kind === 'address' ? this.#address(part) : this.#pseudonym(kind, part));
    return text
      .split(',')
      .map((part) => mask(part.trim()))
      .join();
  }

  /** Returns the same pseudonym for the same name of any kind, so that an object on the grid can be matched with a line of the log. */
  #pseudonym(kind: string, name: string): string {
    if (common.includes(name)) return name;
    const first = this.#kinds.get(name) ?? kind;
    this.#kinds.set(name, first);
    // No name in CNI contains `~`.
    return `${first}~${this.#number(first, name)}`;
  }

  /** Numbers the names of a group in the order in which they are met. */
  #number(group: string, name: string): number {
    const numbers = this.#numbers.get(group) ?? new Map<string, number>();
    this.#numbers.set(group, numbers);
    const number = numbers.get(name) ?? numbers.size + 1;
    numbers.set(name, number);
    return number;
  }

  #workload(text: string): string {
    const [name = '', ...namespace] = text.split('/').reverse();
    return [...namespace.map((part) => this.#pseudonym('namespace', part)), this.#pseudonym('pod', name)].join('/');
  }

  /** Masks an address octet by octet: addresses of one network stay in one network, and a network address keeps its zeros. */
  #address(text: string): string {
    const [address = '', length] = text.split('/');
    if (!isIPv4(address)) return isIP(address) === 0 ? leftOut : this.#pseudonym('ip', text);
    const octets = address.split('.');
    const masked = octets.map((octet, index) =>
      octet === '0' ? 0 : this.#number(`octets after ${octets.slice(0, index).join('.')}`, octet),
    );
    return `ip~${masked.join('.')}${length === undefined ? '' : `/${length}`}`;
  }
}
