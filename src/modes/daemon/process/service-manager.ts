/** Notifies systemd, if it started the daemon: that it serves, and that its event loop runs (sd_notify(3)). */
import { spawn } from 'node:child_process';
import { write } from 'node:fs';
import type { Log } from '../../../infoblox/log.ts';

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
  const pause = watchdogPause(env);
  if (pause !== undefined) setInterval(() => send('WATCHDOG=1', onFailure), pause);
}

/** Milliseconds between two signs of life; undefined if this process is not watched (sd_watchdog_enabled(3)). */
export function watchdogPause({ WATCHDOG_USEC, WATCHDOG_PID }: Environment, pid = process.pid): number | undefined {
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
