/** The daemon's entry: a script of its own inside the executable, compiled only in this role. */

import { GridError } from '../../infoblox/errors.ts';
import type { Log } from '../../infoblox/log.ts';
import { versionLine } from '../about.ts';
import { commit, version } from '../build-info.ts';
import { checkCommand, parseFlags, UsageError, usage } from './config/flags.ts';
import { type Options, readOptions } from './config/options.ts';
import { startDaemon } from './daemon.ts';
import { createLog, inJournal, isJournal } from './log/log.ts';
import { processTitle } from './process/process-title.ts';
import { refuseOtherUsers } from './process/root.ts';
import { notifyReady } from './process/service-manager.ts';
import { StartError } from './start-error.ts';

/** Exit status for a wrong command line, as Go's flag package has it; the unit does not start us again after it. */
const usageStatus = 2;

async function main(args: readonly string[]): Promise<void> {
  // Only --help and --version write there.
  process.stdout.on('error', () => process.exit(1));
  process.title = processTitle(args);
  const checkOnly = args[0] === checkCommand;
  const values = parseFlags(checkOnly ? args.slice(1) : args);
  if (values.help) return void process.stdout.write(usage());
  if (values.version) return void process.stdout.write(`${versionLine}\n`);
  const options = readOptions(values, process.env, process.stderr.isTTY === true);
  refuseOtherUsers(options, process.getuid?.());
  const log = createLog(options.logLevel, options.logFormat, isJournal(process.env));
  survive(log);
  if (checkOnly) return void process.stdout.write('configuration accepted\n');
  if (options.wapiUsername === '') log.warn('--wapi-username is not set: the grid will refuse to serve us');
  warnOfPassword(options, log);
  // What the daemon makes is for root alone; the socket's directory is given its wider mode on purpose.
  process.umask(0o077);
  let stopping = false;
  let status = 0;
  const stop = (signal: string) => {
    if (stopping) return;
    stopping = true;
    log.info(`${signal}: finishing the calls in flight`);
    starting
      .then((daemon) => daemon.stop())
      .then(
        () => {
          log.info(`infoblox-cni-daemon ${version} has stopped`);
          process.exit(status);
        },
        (error) => {
          log.error(`cannot stop cleanly: ${String(error)}`);
          process.exit(1);
        },
      );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', stop);
  // Only now, so that a signal that comes while it starts ends it in good order too.
  const starting = startDaemon(options, log);
  const { lost } = await starting;
  notifyReady(process.env, log);
  // A service manager starts it anew, with directories of its own.
  void lost.then((error) => {
    log.error(`infoblox-cni-daemon ${version} can serve no longer: ${error.message}`);
    status = 1;
    stop('ending');
  });
}

/** No reason not to start: it may be put into its file later. */
function warnOfPassword({ readPassword, passwordExposure }: Options, log: Log): void {
  const exposure = passwordExposure();
  if (exposure !== undefined) log.warn(exposure.message, { hint: exposure.hint });
  try {
    readPassword();
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    log.warn(error.message, { hint: error.hint });
  }
}

/** A log that nobody reads any more is no reason to end; a fault that nobody expected is, after a line in the log. */
function survive(log: Log): void {
  process.stderr.on('error', () => undefined);
  const end = (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    log.error(`infoblox-cni-daemon ${version} ends by a fault of its own: ${message}`, {
      commit,
      stack: error instanceof Error ? error.stack : undefined,
    });
    process.exit(1);
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}

main(process.argv.slice(2)).catch((error) => {
  if (error instanceof UsageError) {
    process.stderr.write(inJournal('error', `infoblox-cni-daemon: ${error.message}`));
    process.stderr.write(inJournal('info', 'Try infoblox-cni-daemon --help.'));
    process.exit(usageStatus);
  }
  const text = error instanceof StartError ? error.message : `cannot start: ${error?.stack ?? error}`;
  process.stderr.write(inJournal('error', `infoblox-cni-daemon: ${text}`));
  process.exit(1);
});
