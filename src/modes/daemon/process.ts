/** The daemon as a process: the user that it has to run as, what `ps` shows of it, and what systemd hands over and is told. */
import { spawn } from 'node:child_process';
import { readFileSync, write } from 'node:fs';
import type { Log } from '../../infoblox/log.ts';
import { defaultSocketDir, defaultStateDir } from '../protocol.ts';
import { StartError } from './start-error.ts';

/**
 * Refuses to run as another user than root: the daemon looks at other users' network namespaces and answers root's plugins.
 * Another user may try it out, or test it, in directories of his own.
 * @param uid user ID of this process; undefined where there are none
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

/** The user that the systemd unit gives the daemon (deploy/systemd/infoblox-cni.sysusers.conf). */
const serviceUser = 'infoblox-cni';

/** Finds the service's user ID where systemd-sysusers puts it; undefined on a host whose daemon has no user of its own. */
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
 * Makes what `ps` shows of the daemon: the command line as it was given, under the daemon's own name, without the password: any user of the host can read it.
 * Setting it as `process.title` overwrites the arguments and names the process, which Node calls MainThread.
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

/** Name that the unit's OpenFile= gives to the connection to systemd. */
const connectionName = 'notify';
/** First descriptor that systemd hands over (sd_listen_fds(3)). */
const firstDescriptor = 3;
/** Signs of life in the time after which systemd takes the daemon for stuck: one may be late, or get lost. */
const signsOfLife = 3;

/**
 * Notifies systemd that the daemon serves. From then on a stuck event loop ends it, if the unit has `WatchdogSec=`. Does
 * nothing where no service manager waits for a notification.
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

/** Milliseconds between two signs of life; undefined if this process is not watched (sd_watchdog_enabled(3)). */
export function watchdogIntervalMs(
  { WATCHDOG_USEC, WATCHDOG_PID }: Environment,
  pid = process.pid,
): number | undefined {
  const limit = Number(WATCHDOG_USEC) / 1_000;
  if (!(limit > 0) || (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(pid))) return undefined;
  return limit / signsOfLife;
}

/** The descriptor of that name which systemd has handed to this process; undefined if there is none. */
export function descriptorOf(name: string, env: Environment, pid = process.pid): number | undefined {
  if (env.LISTEN_PID !== String(pid)) return undefined;
  const index = (env.LISTEN_FDNAMES ?? '').split(':').indexOf(name);
  return index < 0 ? undefined : firstDescriptor + index;
}

/** Node cannot open a datagram socket of the unix family, but it can write to one that is open. */
function sendTo(descriptor: number): Send {
  return (message, onFailure) => {
    write(descriptor, message, (error) => {
      if (error) onFailure(error.message);
    });
  };
}

/** systemd before 253 knows no OpenFile=. It brings a program for scripts that sends the message in its own name. */
function sendByProgram(message: string, onFailure: (reason: string) => void): void {
  const child = spawn('systemd-notify', [message], { stdio: 'ignore' });
  child.once('error', (error) => onFailure(error.message));
  child.once('exit', (status) => {
    if (status !== 0) onFailure(`systemd-notify ended with status ${status}`);
  });
}
