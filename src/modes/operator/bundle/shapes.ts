/** Lists the fields of a support bundle. Give each new field the kind of name that it may contain. */
import { shape } from './fields.ts';

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
