/** Who this process is: the user that it has to run as, and what `ps` shows of it. */
import { readFileSync } from 'node:fs';
import { defaultSocketDir, defaultStateDir } from '../../protocol.ts';
import { StartError } from '../start-error.ts';

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
