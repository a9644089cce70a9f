/** What doctor examines on this host: here user, credentials and state directory; beside it the daemon and the plugins. */
import { accessSync, constants } from 'node:fs';
import { GridError } from '../../../../infoblox/errors.ts';
import { isErrno } from '../../../../infoblox/host/errno.ts';
import type { Exposure } from '../../../daemon/config/given-file.ts';
import type { Options } from '../../../daemon/config/options.ts';
import { refuseOtherUsers } from '../../../daemon/process/root.ts';
import { StartError } from '../../../daemon/start-error.ts';
import type { Check } from '../check.ts';
import { failure, ok, type Verdict, warning } from '../finding.ts';
import { judgeStateDirectory, lookAtDirectory } from './state-directory.ts';

const group = 'host';

/** Makes the checks of user, password and state directory. */
export function hostChecks(options: Options) {
  const user: Check = {
    ...{ group, title: 'user' },
    run: () => judgeUser(options, { uid: process.getuid?.(), isStateHidden: isHidden(options.stateDir) }),
  };
  const needs = [user];
  const credentials: Check = { group, title: 'credentials', needs, run: () => judgeCredentials(options) };
  const stateDirectory: Check = {
    ...{ group, title: 'state directory', needs },
    run: () => judgeStateDirectory(options.stateDir, lookAtDirectory(options.stateDir)),
  };
  return { user, credentials, stateDirectory };
}

/**
 * Judges the user that runs the command: what it may read, the daemon may, too.
 * @param who.uid undefined where there are none
 * @param who.isStateHidden whether the state directory is there, and this user may not look into it
 */
export function judgeUser(
  options: Pick<Options, 'socketDir' | 'stateDir'>,
  { uid, isStateHidden }: { readonly uid: number | undefined; readonly isStateHidden: boolean },
): Verdict[] {
  const refusal = failure(
    `uid ${uid}, and socket and state are for root alone`,
    'run this command as root, with sudo say',
  );
  if (isStateHidden) return [refusal];
  try {
    refuseOtherUsers(options, uid);
    return [ok(uid === 0 ? 'root' : `uid ${uid}, with directories of its own`)];
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return [refusal];
  }
}

function isHidden(directory: string): boolean {
  try {
    accessSync(directory, constants.R_OK | constants.X_OK);
    return false;
  } catch (error) {
    return isErrno(error, 'EACCES', 'EPERM');
  }
}

type Credentials = Pick<Options, 'wapiUsername' | 'readPassword' | 'passwordExposure' | 'clientCertificate'>;

/** Judges what the daemon logs in with, as far as this host knows; no secret is shown. */
export function judgeCredentials(options: Credentials): Verdict[] {
  const { wapiUsername, clientCertificate } = options;
  if (clientCertificate === undefined) return judgePassword(options);
  const { pair, trouble } = clientCertificate.read();
  const exposure = clientCertificate.exposure();
  return [
    ...(trouble === undefined ? [] : [failure(trouble.message, trouble.hint)]),
    ...(exposure === undefined ? [] : [readableByOthers(exposure, 'have the certificate reissued with a new key')]),
    ok(`client certificate, valid until ${new Date(pair.expiresAt).toISOString()}`),
    ...(wapiUsername === '' ? [] : judgePassword(options)),
  ];
}

function judgePassword({ wapiUsername, readPassword, passwordExposure }: Credentials): Verdict[] {
  if (wapiUsername === '') {
    return [failure('--wapi-username is not set: the grid refuses every request', 'set it in DAEMON_FLAGS')];
  }
  try {
    readPassword();
  } catch (error) {
    if (!(error instanceof GridError)) throw error;
    return [failure(error.message, error.hint)];
  }
  const exposure = passwordExposure();
  return [exposure === undefined ? ok('user and password') : readableByOthers(exposure, 'change the password')];
}

/** @param then what is to be done when others can read it no more */
function readableByOthers({ file, readers, mode, hint }: Exposure, then: string): Verdict {
  return warning(`${file} can be read by ${readers} (mode ${mode})`, `run ${hint}, then ${then}`);
}
