/** The daemon's process: its user, its title in `ps`, and its exchange with systemd. */
import { spawn } from 'node:child_process';
import { readFileSync, write } from 'node:fs';
import type { Log } from '../../infoblox/log.ts';
import { defaultSocketDir, defaultStateDir } from '../protocol.ts';
import { StartError } from './start-error.ts';

/**
 * Refuses to run as another user than root: the daemon inspects other users' network namespaces and answers root's
 * plugins. Other users may try it out in directories of their own.
 * @param uid user ID of this process; undefined on systems without user IDs
 * @throws StartError
 */
export function refuseOtherUsers(
  { socketDir, stateDir }: { readonly socketDir: string; readonly stateDir: string },
  uid: number | undefined,
): void {
  if (uid === undefined || uid === 0) return;
  if (socketDir !== defaultSocketDir && stateDir !== defaultStateDir) return;
  throw new StartError(
    `must run as root (this is uid ${uid})`,
    'only to try it out: set --socket-dir and --state-dir to directories of this user',
  );
}

/** The daemon's user in the systemd unit (deploy/systemd/infoblox-cni.sysusers.conf). */
const serviceUser = 'infoblox-cni';

/** Returns the service's user ID, which systemd-sysusers writes; undefined on a host without that user. */
export function serviceUid(passwd = '/etc/passwd'): number | undefined {
  try {
    const lines = readFileSync(passwd, 'utf8').split('\n');
    const [, , uid] = lines.find((line) => line.startsWith(`${serviceUser}:`))?.split(':') ?? [];
    return uid === undefined || uid === '' ? undefined : Number(uid);
  } catch {
    return undefined;
  }
}

/**
 * Makes the daemon's title for `ps`: its name and command line without the password, since any user of the host can
 * read it. As `process.title` it overwrites the arguments and the process name, which Node sets to MainThread.
 */
export function processTitle(args: readonly string[]): string {
  const shown = args.map((arg, index) => {
    if (/^--?wapi-password=/.test(arg)) return arg.replace(/=.*/s, '=...');
    return /^--?wapi-password$/.test(args[index - 1] ?? '') ? '...' : arg;
  });
  return ['infoblox-cni-daemon', ...shown].join(' ');
}

type Environment = Readonly<Record<string, string | undefined>>;
type Send = (message: string, onFailure: (reason: string) => void) => void;

/** Name of the connection to systemd in the unit's OpenFile=. */
const connectionName = 'notify';
/** First descriptor that systemd passes (sd_listen_fds(3)). */
const firstDescriptor = 3;
/** Keep-alives per watchdog timeout: one may be late or lost. */
const signsOfLife = 3;

/**
 * Notifies systemd that the daemon is ready. From then on, with the unit's `WatchdogSec=`, systemd kills it if its
 * event loop hangs. Does nothing without a service manager that waits for a notification.
 */
export function notifyReady(env: Environment, log: Log): void {
  if (env.NOTIFY_SOCKET === undefined) return;
  let failed = false;
  const onFailure = (reason: string) => {
    if (failed) return;
    failed = true;
    log.error('cannot notify systemd, which will end the daemon as stuck', {
      reason,
      hint: 'the unit needs OpenFile=/run/systemd/notify:notify, or the program systemd-notify and NotifyAccess=all',
    });
  };
  const connection = descriptorOf(connectionName, env);
  const send = connection === undefined ? sendByProgram : sendTo(connection);
  send('READY=1', onFailure);
  const intervalMs = watchdogIntervalMs(env);
  if (intervalMs !== undefined) setInterval(() => send('WATCHDOG=1', onFailure), intervalMs);
}

/**
 * Returns the milliseconds between two keep-alives; undefined if systemd does not watch this process
 * (sd_watchdog_enabled(3)).
 */
export function watchdogIntervalMs(
  { WATCHDOG_USEC, WATCHDOG_PID }: Environment,
  pid = process.pid,
): number | undefined {
  const limit = Number(WATCHDOG_USEC) / 1_000;
  if (!(limit > 0) || (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(pid))) return undefined;
  return limit / signsOfLife;
}

/** Returns the descriptor that systemd passed under a name; undefined if there is none. */
export function descriptorOf(name: string, env: Environment, pid = process.pid): number | undefined {
  if (env.LISTEN_PID !== String(pid)) return undefined;
  const index = (env.LISTEN_FDNAMES ?? '').split(':').indexOf(name);
  return index < 0 ? undefined : firstDescriptor + index;
}

/** Sends over an open descriptor: Node can write to a unix datagram socket, but cannot open one. */
function sendTo(descriptor: number): Send {
  return (message, onFailure) => {
    write(descriptor, message, (error) => {
      if (error) onFailure(error.message);
    });
  };
}

/** Sends through systemd-notify, for systemd before 253, which has no OpenFile=. */
function sendByProgram(message: string, onFailure: (reason: string) => void): void {
  const child = spawn('systemd-notify', [message], { stdio: 'ignore' });
  child.once('error', (error) => onFailure(error.message));
  child.once('exit', (status) => {
    if (status !== 0) onFailure(`systemd-notify ended with status ${status}`);
  });
}
