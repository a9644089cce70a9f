/** What a support bundle says of the service: its flags and variables, its unit under systemd, its log. */
import { isJsonObject } from '../../../cni/call.ts';
import type { ServiceSettings } from '../command.ts';
import { type Fields, shape } from './fields.ts';
import { type Item, item, jsonItem, outputOf } from './item.ts';

const unit = 'infoblox-cni-daemon.service';
/** Lines of the log. */
const maxLines = 5_000;

export const flagShape = shape({
  plain:
    'wapi-port wapi-version socket-dir driver-name add-timeout reap-after prefix-length ip-cooldown state-dir lease-history log-level log-format',
  presence: 'wapi-password',
  text: 'wapi-password-file wapi-client-cert wapi-client-key ssl-verify labels metrics-listen',
  host: 'grid-host node-name',
  cluster: 'cluster-name release-original',
  user: 'wapi-username',
  view: 'network-view',
  address: 'network-container',
});

/** Variables of the environment; those of traces: OpenTelemetry specification, "OpenTelemetry Protocol Exporter". */
const variableShape = shape({
  plain: `OTEL_SDK_DISABLED OTEL_TRACES_EXPORTER OTEL_TRACES_SAMPLER OTEL_TRACES_SAMPLER_ARG OTEL_EXPORTER_OTLP_TIMEOUT \
OTEL_EXPORTER_OTLP_COMPRESSION OTEL_EXPORTER_OTLP_PROTOCOL OTEL_EXPORTER_OTLP_TRACES_PROTOCOL OTEL_BSP_SCHEDULE_DELAY \
OTEL_BSP_EXPORT_TIMEOUT OTEL_BSP_MAX_QUEUE_SIZE OTEL_BSP_MAX_EXPORT_BATCH_SIZE`,
  presence: 'WAPI_PASSWORD OTEL_EXPORTER_OTLP_HEADERS OTEL_EXPORTER_OTLP_TRACES_HEADERS OTEL_RESOURCE_ATTRIBUTES',
  url: 'OTEL_EXPORTER_OTLP_ENDPOINT OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  text: 'CREDENTIALS_DIRECTORY TMPDIR SSL_CERT_FILE SSL_CERT_DIR OTEL_EXPORTER_OTLP_CERTIFICATE OTEL_SERVICE_NAME',
});

/** Properties of the unit, those that a drop-in may change among them: org.freedesktop.systemd1(5). */
const properties = `ActiveState,SubState,Result,NRestarts,ExecMainStatus,ExecMainStartTimestamp,MemoryCurrent,UnitFileState,\
FragmentPath,DropInPaths,User,Group,Type,NotifyAccess,WatchdogUSec,Restart,TimeoutStopUSec,MemoryMax,TasksMax,CapabilityBoundingSet,\
AmbientCapabilities,PrivateUsers,ProtectProc,ProtectSystem,ReadWritePaths,ReadOnlyPaths`;

/** Fields of the daemon's log: docs/operations.md, "Logs". */
const logShape = shape({
  plain:
    'time level message command code condition kind interface milliseconds attempts count bound resting releasing released version commit trace_id span_id',
  host: 'node grid host from',
  network: 'network',
  view: 'view',
  container: 'container',
  namespace: 'namespace',
  pod: 'pod uid',
  job: 'job taskGroup region',
  mark: 'attachment',
  address: 'address addresses subnet',
  text: 'error details reason hint was to file socket',
});

/** What systemd writes of a unit: systemd.journal-fields(7). */
const journalShape = shape({ plain: 'EXIT_CODE EXIT_STATUS UNIT_RESULT JOB_TYPE JOB_RESULT' });

/** Collects them. */
export async function serviceItems(settings: ServiceSettings, fields: Fields): Promise<Item[]> {
  const { daemonFlags, wrongFlags, env } = settings;
  return [
    await jsonItem('flags.json', () => ({
      wrong: fields.select(wrongFlags, 'text'),
      flags: fields.select(daemonFlags, flagShape),
    })),
    await jsonItem('variables.json', () => fields.select(env, variableShape)),
    await item('service-state', () => outputOf('systemctl', ['show', unit, `--property=${properties}`])),
    await item('log', () => log(fields)),
  ];
}

async function log(fields: Fields): Promise<string> {
  const wanted = ['MESSAGE', ...Object.keys(journalShape)].join();
  const options = ['-n', String(maxLines), '-o', 'json', `--output-fields=${wanted}`, '--no-pager', '--quiet'];
  const entries = (await outputOf('journalctl', ['-u', unit, ...options])).split('\n').map(parsed).filter(isJsonObject);
  if (entries.length === 0) throw new Error('the journal has no line of the service');
  const lines = entries.map((entry) => logLine(entry, fields));
  const known = lines.filter((line) => line !== undefined);
  const others = lines.length - known.length;
  return [...known, ...(others === 0 ? [] : [{ leftOut: others }])].map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** What the daemon logged, what it wrote instead of starting, or what systemd says of its end; undefined for anything else. */
function logLine(entry: Readonly<Record<string, unknown>>, fields: Fields): unknown {
  const { MESSAGE: message, __REALTIME_TIMESTAMP: microseconds } = entry;
  if (typeof message !== 'string') return undefined;
  const logged = parsed(message);
  if (isJsonObject(logged)) return fields.select(logged, logShape);
  const at = new Date(Number(microseconds) / 1000).toISOString();
  if (message.startsWith('infoblox-cni-daemon: ')) return { at, said: fields.write('text', message) };
  const ofUnit = Object.entries(fields.select(entry, journalShape) ?? {});
  return ofUnit.length === 0 ? undefined : { at, ...Object.fromEntries(ofUnit) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
