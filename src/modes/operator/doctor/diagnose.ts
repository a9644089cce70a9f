/**
 * What `doctor` examines, from cold: this host, the plugins, the grid, and each network configuration. It works with the daemon
 * or the grid away, and changes nothing on either.
 */
import { UsageError } from '../../daemon/config/command-line.ts';
import type { Options } from '../../daemon/config/options.ts';
import type { GridAccess } from '../../daemon/grid-access.ts';
import { StartError } from '../../daemon/start-error.ts';
import type { Invocation } from '../command.ts';
import { openGrid, readSettings } from '../grid.ts';
import { type Check, type RunOptions, runChecks } from './check.ts';
import { type Finding, failure, ok } from './finding.ts';
import { softenFailover } from './grid/failover.ts';
import { gridChecks } from './grid/grid-checks.ts';
import { gridHostChecks } from './grid/grid-host-checks.ts';
import { type ClockReading, lookingTransport } from './grid/looking-transport.ts';
import { daemonChecks } from './host/daemon-checks.ts';
import { hostChecks } from './host/host-checks.ts';
import { pluginChecks } from './host/plugin-checks.ts';
import { configurationChecks, mainPluginUses, readConfigurations } from './network/configuration-checks.ts';
import { networkChecks } from './network/network-checks.ts';

/** The oldest WAPI version that the daemon takes; a grid goes on serving old ones (WAPI documentation, index page). */
const oldestVersion = '2.3';

/** What is examined: flags and environment of the service, the daemon's socket, files with network configurations. */
export type Examined = Pick<Invocation, 'daemonFlags' | 'env' | 'socket' | 'operands'>;

/**
 * Examines everything and returns what it has found, in the order of reading.
 * @param examined.operands files with network configurations; none: those of this host that use the driver
 */
export async function diagnose(examined: Examined, run: RunOptions = {}): Promise<Finding[]> {
  const { options, finding } = readFlags(examined);
  if (options === undefined) return [finding];
  const clock: ClockReading[] = [];
  const opened: GridAccess[] = [];
  const open = (settings: Options) => {
    const grid = openGrid(settings, (transport) => lookingTransport(transport, (reading) => clock.push(reading)));
    opened.push(grid);
    return grid;
  };
  try {
    const findings = await runChecks(checksOf(examined, options, { clock, open }), run);
    return [finding, ...softenFailover(findings, options.gridHosts)];
  } finally {
    await Promise.all(opened.map((grid) => grid.close()));
  }
}

/** Checks the flags as the daemon does when it starts. */
function readFlags(examined: Examined): { readonly options?: Options; readonly finding: Finding } {
  const about = { group: 'host', title: 'flags' };
  try {
    return { options: readSettings(examined), finding: { ...about, ...ok('accepted') } };
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof StartError)) throw error;
    const fix = 'correct DAEMON_FLAGS; nothing else can be checked before';
    return { finding: { ...about, ...failure(error.message, fix) } };
  }
}

/** The ways to the grid, and what its clock has said on them. */
interface Grids {
  readonly clock: readonly ClockReading[];
  readonly open: (options: Options) => GridAccess;
}

/** Puts the checks together; what is needed comes before what needs it. */
function checksOf({ env, socket, operands }: Examined, options: Options, grids: Grids): Check[] {
  const { user, credentials, stateDirectory } = hostChecks(options);
  const configurations = readConfigurations(operands, options);
  const uses = mainPluginUses(configurations.found);
  const hosts = options.gridHosts.map((host) => gridHostChecks(host, options, user));
  const grid = grids.open(options);
  const { all: ofGrid, permissions } = gridChecks({
    ...{ options, grid, clock: grids.clock },
    oldest: () => grids.open({ ...options, wapiVersion: oldestVersion }),
    specs: configurations.found.map(({ spec }) => spec),
    needs: [credentials, hosts.map(([, , tls]) => tls)],
  });
  const host = { cluster: options.clusterName, node: options.nodeName };
  const context = { grid, host, needs: [permissions], all: configurations.found };
  return [
    ...[user, credentials, stateDirectory, ...daemonChecks(socket, options, user)],
    ...pluginChecks({ env, driver: options.driverName, uses }),
    ...hosts.flat(),
    ...ofGrid,
    ...configurationChecks(configurations),
    ...configurations.found.flatMap((configuration) => networkChecks(configuration, context)),
  ];
}
