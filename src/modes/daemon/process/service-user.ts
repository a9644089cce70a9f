/** The user that the systemd unit gives the daemon (deploy/systemd/infoblox-cni.sysusers.conf). */
import { readFileSync } from 'node:fs';

export const serviceUser = 'infoblox-cni';

/** Finds its user ID where systemd-sysusers puts it; undefined on a host whose daemon has no user of its own. */
export function serviceUid(passwd = '/etc/passwd'): number | undefined {
  try {
    const [, uid] = new RegExp(`^${serviceUser}:[^:]*:(\\d+):`, 'm').exec(readFileSync(passwd, 'utf8')) ?? [];
    return uid === undefined ? undefined : Number(uid);
  } catch {
    return undefined;
  }
}
