/**
 * What `doctor` examines, from cold: this host, the plugins, the grid, and each network configuration. It works with the daemon
 * or the grid away, and changes nothing on either.
 */
import { UsageError } from '../../daemon/config/command-line.ts';
import type { Options } from '../../daemon/config/options.ts';
import type { GridAccess } from '../../daemon/grid-access.ts';
import { StartError } from '../../daemon/start-error.ts';
import type { Invocation } from '../command.ts';
import { type ClockReading, openToLook, readSettings } from '../grid.ts';
import { type RunOptions, runChecks } from './check.ts';
import { configurationChecks, readConfigurations } from './configurations.ts';
import { daemonChecks } from './daemon.ts';
import { type Finding, failure, ok } from './finding.ts';
import { gridChecks, softenFailover } from './grid.ts';
import { hostChecks } from './host.ts';
import { networkChecks } from './network.ts';
import { pluginChecks } from './plugins.ts';

/** The oldest WAPI version that the daemon takes; a grid goes on serving old ones (WAPI documentation, index page). */
const oldestVersion = '2.3';

/** What is examined: flags and environment of the service, the daemon's socket, files with network configurations. */
export type Examined = Pick<Invocation, 'daemonFlags' | 'env' | 'socket' | 'operands'>;

/**
 * Examines everything and returns what it has found, in the order of reading.
 * @param examined.operands files with network configurations; none: those of this host that use the driver
 */
export async function diagnose(examined: Examined, run: RunOptions = {}): Promise<Finding[]> {
  const about = { group: 'host', title: 'flags' };
  let options: Options;
  try {
    options = readSettings(examined);
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof StartError)) throw error;
    return [{ ...about, ...failure(error.message, 'correct DAEMON_FLAGS; nothing else can be checked before') }];
  }
  const findings = await examine(examined, options, run);
  return [{ ...about, ...ok('accepted') }, ...softenFailover(findings, options.gridHosts)];
}

async function examine({ env, socket, operands }: Examined, options: Options, run: RunOptions): Promise<Finding[]> {
  const clock: ClockReading[] = [];
  const opened: GridAccess[] = [];
  const open = (settings: Options) => {
    const grid = openToLook(settings, (reading) => clock.push(reading));
    opened.push(grid);
    return grid;
  };
  const grid = open(options);
  const oldest = () => open({ ...options, wapiVersion: oldestVersion });
  const host = { cluster: options.clusterName, node: options.nodeName };
  const configurations = readConfigurations(operands, options);
  const { found } = configurations;
  const checks = [
    ...hostChecks(options),
    ...daemonChecks(socket, options),
    ...pluginChecks({ env, driver: options.driverName, configurations: found }),
    ...gridChecks({ options, grid, oldest, clock, specs: found.map(({ spec }) => spec) }),
    ...configurationChecks(configurations),
    ...found.flatMap((configuration) => networkChecks(configuration, { access: grid, host, all: found })),
  ];
  try {
    return await runChecks(checks, run);
  } finally {
    await Promise.all(opened.map((one) => one.close()));
  }
}
