/** Entry point of the daemon: a separate script in the executable, compiled only in this role. */
import { messageOf } from '../../errno.ts';
import { GridError } from '../../infoblox/errors.ts';
import type { Log } from '../../infoblox/log.ts';
import { commit, version, versionLine } from '../about.ts';
import { foldedLines } from '../terminal-text.ts';
import {
  defaultEnvironmentFile,
  type FlagValues,
  parseFlags,
  readEnvironmentFile,
  readTrustedEnvironmentFile,
  refuseWrong,
  UsageError,
} from './config/command-line.ts';
import { usage } from './config/flags.ts';
import { type Options, readOptions } from './config/options.ts';
import { startDaemon } from './daemon.ts';
import { createLog, inJournal, isJournal } from './log/log.ts';
import { descriptorOf, notifyReady, processTitle, refuseOtherUsers } from './process.ts';
import { StartError } from './start-error.ts';
import { openTracing } from './tracing/tracing.ts';

/** Exit status for a wrong command line, as in Go's flag package. The systemd unit does not restart the daemon after it. */
const usageStatus = 2;

async function main(args: readonly string[]): Promise<void> {
  // Only --help and --version write to stdout.
  process.stdout.on('error', () => process.exit(1));
  process.title = processTitle(args);
  const values = withEnvironmentFile(args, process.env);
  if (values.help) return void process.stdout.write(foldedLines(usage()));
  if (values.version) return void process.stdout.write(`${versionLine}\n`);
  const options = readOptions(values, process.env, { isTerminal: process.stderr.isTTY === true });
  const passedSocket = descriptorOf('calls', process.env);
  if (passedSocket === undefined) refuseOtherUsers(options, process.getuid?.());
  const log = createLog(options.logLevel, options.logFormat, isJournal(process.env));
  exitOnInternalError(log);
  warnOfCredentials(options, log);
  warnOfUnusedFile(args, process.env, log);
  // Files are for root alone; the socket's directory gets its wider mode explicitly.
  process.umask(0o077);
  await run(options, log, passedSocket);
}

/** Reads flags and variables of the environment file, if the command line names one, as systemd would pass them. */
function withEnvironmentFile(args: readonly string[], env: NodeJS.ProcessEnv): FlagValues {
  const values = parseFlags(args);
  const file = values['environment-file'];
  if (file === '' || values.help || values.version) return values;
  const { variables, daemonFlags } = readTrustedEnvironmentFile(file);
  refuseWrong(daemonFlags, file);
  Object.assign(env, variables);
  return parseFlags([...daemonFlags, ...args]);
}

/**
 * Runs the daemon until a signal, or the loss of its socket or state, ends it.
 * @param passedSocket descriptor of the socket if systemd created it; the service then has its own user
 * @throws StartError
 */
async function run(options: Options, log: Log, passedSocket: number | undefined): Promise<void> {
  const tracing = openTracing({ env: process.env, node: options.nodeName, log });
  const starting = startDaemon(options, log, { tracing, passedSocket });
  let stopping = false;
  const stop = async (why: Readonly<Record<string, string>>, status: number) => {
    if (stopping) return;
    stopping = true;
    log.info('stopping: finishing the calls in flight', why);
    try {
      await (await starting).stop();
      log.info('stopped', { version });
      process.exit(status);
    } catch (error) {
      log.error('cannot stop cleanly', { error: messageOf(error) });
      process.exit(1);
    }
  };
  // Before the first await, so that a signal during the start also stops the daemon cleanly.
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void stop({ signal }, 0));
  const { lost } = await starting;
  notifyReady(process.env, log);
  const error = await lost;
  // systemd restarts the daemon and recreates its directories.
  log.error('cannot serve any more, exiting', { version, error: error.message });
  await stop({ reason: 'lost' }, 1);
}

/** Warns about missing or exposed credentials. The daemon starts anyway: the password may be supplied later. */
function warnOfCredentials(options: Options, log: Log): void {
  const { wapiUsername, readPassword, passwordExposure, clientCertificate } = options;
  const keyExposure = clientCertificate?.exposure();
  if (keyExposure !== undefined)
    log.warn('the key of the client certificate can be read by users other than root', { ...keyExposure });
  if (clientCertificate !== undefined && wapiUsername === '') return;
  if (wapiUsername === '') log.warn('--wapi-username is not set: the grid will refuse every request');
  const exposure = passwordExposure();
  if (exposure !== undefined) log.warn('the WAPI password can be read by users other than root', { ...exposure });
  try {
    readPassword();
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    log.warn('no WAPI password', { error: error.message, hint: error.hint });
  }
}

/** Warns if the daemon was started by hand without flags, and so ignores the service's environment file. */
function warnOfUnusedFile(args: readonly string[], env: NodeJS.ProcessEnv, log: Log): void {
  const file = defaultEnvironmentFile;
  if (
    args.length > 0 ||
    env.DAEMON_FLAGS !== undefined ||
    readEnvironmentFile(file, 'optional').daemonFlags.length === 0
  )
    return;
  log.warn('DAEMON_FLAGS are not used: the environment file was not named', {
    file,
    hint: `start it with --environment-file=${file}`,
  });
}

function exitOnInternalError(log: Log): void {
  // Ignore EPIPE and ENOSPC: addresses matter more than the log.
  process.stderr.on('error', () => undefined);
  const end = (error: unknown) => {
    const stack = error instanceof Error ? error.stack : undefined;
    log.error('internal error, exiting', { error: messageOf(error), version, commit, stack });
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
