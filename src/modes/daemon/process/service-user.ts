/** The user that the systemd unit gives the daemon (deploy/systemd/infoblox-cni.sysusers.conf). */
import { readFileSync } from 'node:fs';

const serviceUser = 'infoblox-cni';

/** Finds its user ID where systemd-sysusers puts it; undefined on a host whose daemon has no user of its own. */
export function serviceUid(passwd = '/etc/passwd'): number | undefined {
  try {
    const lines = readFileSync(passwd, 'utf8').split('\n');
    const [, , uid] = lines.find((line) => line.startsWith(`${serviceUser}:`))?.split(':') ?? [];
    return uid === undefined || uid === '' ? undefined : Number(uid);
  } catch {
    return undefined;
  }
}
