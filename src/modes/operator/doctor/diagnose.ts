/**
 * What `doctor` examines, from cold: this host, the plugins, the grid, and each network configuration. It works with the daemon
 * or the grid away, and changes nothing on either.
 */
import type { ArgsDef } from 'citty';
import { UsageError } from '../../daemon/config/command-line.ts';
import { type Options, readOptions } from '../../daemon/config/options.ts';
import { StartError } from '../../daemon/start-error.ts';
import type { Invocation } from '../command.ts';
import { type RunOptions, runChecks } from './check.ts';
import { daemonChecks } from './daemon-checks.ts';
import { type Finding, failure, ok } from './finding.ts';
import { hostChecks } from './host-checks.ts';

/** What is examined: flags and environment of the service, the daemon's socket, files with network configurations. */
export type Examined = Pick<Invocation<ArgsDef>, 'daemonFlags' | 'env' | 'socket' | 'operands'>;

/**
 * Examines everything and returns what it has found, in the order of reading.
 * @param examined.operands files with network configurations; none: those of this host that use the driver
 */
export async function diagnose(examined: Examined, run: RunOptions = {}): Promise<Finding[]> {
  const { options, finding } = readFlags(examined);
  if (options === undefined) return [finding];
  const { user, credentials, stateDirectory } = hostChecks(options);
  const { socketFile, daemon } = daemonChecks(examined.socket, options);
  const checks = [user, credentials, stateDirectory, socketFile, daemon];
  return [finding, ...(await runChecks(checks, run))];
}

/** Checks the flags as the daemon does when it starts. */
function readFlags({ daemonFlags, env }: Examined): { readonly options?: Options; readonly finding: Finding } {
  const about = { group: 'host', title: 'flags' };
  try {
    const options = readOptions(daemonFlags, env, { isTerminal: false });
    return { options, finding: { ...about, ...ok('accepted') } };
  } catch (error) {
    if (!(error instanceof UsageError) && !(error instanceof StartError)) throw error;
    const fix = 'correct DAEMON_FLAGS; nothing else can be checked before';
    return { finding: { ...about, ...failure(error.message, fix) } };
  }
}
