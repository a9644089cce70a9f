import { defaultSocketDir } from '../../protocol.ts';
import { defaultStateDir } from '../config/flags.ts';
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
