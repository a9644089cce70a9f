/**
 * Examines this host, the plugins, the grid, and each network configuration for `doctor`. Works while the daemon or the grid is down, and
 * changes nothing.
 */
import { UsageError } from '../../daemon/config/command-line.ts';
import type { Options } from '../../daemon/config/options.ts';
import type { GridAccess } from '../../daemon/grid-access.ts';
import { StartError } from '../../daemon/start-error.ts';
import type { Invocation } from '../command.ts';
import { type ClockReading, openToLook, readSettings } from '../grid.ts';
import { checkNetworkFiles, findNetworkFiles, sourcesOf } from '../network-configurations.ts';
import { checks, type Finding, failure, ok, type RunOptions, runChecks } from './check.ts';
import { gridChecks } from './grid.ts';
import { hostChecks, leaseChecks } from './host.ts';
import { judgeFiles, networkChecks } from './networks.ts';
import { pluginChecks } from './plugins.ts';

/** The oldest WAPI version that the daemon accepts. Grids continue to serve old versions (WAPI documentation, index page). */
const oldestVersion = '2.3';

/** Flags and environment of the service, the daemon's socket, network configuration files. */
export type Examined = Pick<Invocation, 'daemonFlags' | 'env' | 'socket' | 'operands'>;

/**
 * Runs all checks and returns their findings in the order of the report.
 * @param examined.operands network configuration files; none: those of this host that use the driver
 */
export async function diagnose(examined: Examined, run: RunOptions = {}): Promise<Finding[]> {
  const about = { group: 'host', title: 'flags' };
  try {
    const options = readSettings(examined);
    return [{ ...about, ...ok('accepted') }, ...(await examine(examined, options, run))];
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof StartError)) throw error;
    return [{ ...about, ...failure(error.message, 'correct DAEMON_FLAGS; nothing else can be checked before') }];
  }
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
  const files = operands.length > 0 ? operands : findNetworkFiles(options.driverName);
  const configurations = checkNetworkFiles(files, options);
  const { found } = configurations;
  const sources = found.flatMap(sourcesOf);
  const all = [
    ...hostChecks(options, socket),
    ...pluginChecks(options.driverName, found, env),
    ...gridChecks({ options, grid, oldest, clock, specs: sources.map(({ spec }) => spec) }),
    ...leaseChecks(socket),
    ...checks('network configurations', { files: () => judgeFiles(configurations) }),
    ...sources.flatMap((source) =>
      networkChecks(source, { grid: grid.grid, host, flagSize: options.blockSize, all: sources }),
    ),
  ];
  try {
    return await runChecks(all, run);
  } finally {
    await Promise.all(opened.map((one) => one.close()));
  }
}
