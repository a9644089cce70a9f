/** Where the grid's password comes from, and who else can get at it there. */
import { readFileSync } from 'node:fs';
import { GridError } from '../../../infoblox/errors.ts';
import { messageOf } from '../../../infoblox/host/errno.ts';
import { refuseUntrusted, UntrustedPath } from '../../../infoblox/host/trusted-path.ts';
import { type Exposure, exposureOf } from './given-file.ts';

interface Password {
  /** Reads it; called for each request. Throws GridError `credentials` where there is none, which is not worth a login. */
  readonly read: () => string;
  /** Who else than root can read it; undefined if others cannot, or there is none. */
  readonly exposure: () => Exposure | undefined;
}

/** systemd copies the file at the start of the service, to a place that is of no use to the operator. */
const credentialHint =
  'put the password, alone on a line, into /etc/infoblox-cni/wapi-password, then: systemctl restart infoblox-cni-daemon';

/** Finds where the password comes from: flag, file, environment, systemd credential; the first that is set. */
export function passwordSource(flag: string, file: string, env: NodeJS.ProcessEnv): Password {
  if (flag !== '') return { read: () => flag, exposure: () => undefined };
  const credential = env.CREDENTIALS_DIRECTORY === undefined ? '' : `${env.CREDENTIALS_DIRECTORY}/wapi-password`;
  const source = file || (env.WAPI_PASSWORD ? '' : credential);
  const hint = source !== '' && source === credential ? credentialHint : undefined;
  return {
    read: () => {
      const password = source === '' ? (env.WAPI_PASSWORD ?? '') : readPasswordFile(source, hint);
      if (password !== '') return password;
      throw new GridError('credentials', `no WAPI password given${source === '' ? '' : `: ${source} is empty`}`, {
        hint:
          hint ??
          'put it into the file of --wapi-password-file, into WAPI_PASSWORD, or into the systemd credential wapi-password',
      });
    },
    exposure: () => (source === '' ? undefined : exposureOf(source)),
  };
}

/** Refuses a file that others can write: they would choose the password. */
function readPasswordFile(file: string, hint = `put it into ${file}, readable by the daemon only`): string {
  try {
    refuseUntrusted(file);
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new GridError('credentials', `cannot read the WAPI password: ${messageOf(error)}`, {
      hint: error instanceof UntrustedPath ? `run ${error.hint}, or put it where only root can write` : hint,
      cause: error,
    });
  }
}
