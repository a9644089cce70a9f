/** What answers at the daemon's socket is believed, so it must be root's. Loaded at each call. */
import { CniCode, CniError } from '../../cni/errors.ts';
import { distrust } from '../../infoblox/host/trusted-path.ts';

/**
 * Refuses a socket that users other than root could have put there. None at all is nothing to refuse: connecting says so.
 * @throws CniError 7, which DEL tells its caller as well: no note goes into such a directory either
 */
export function refuseForeignSocket(file: string): void {
  const untrusted = distrust(file);
  if (untrusted === undefined) return;
  throw new CniError(
    CniCode.invalidConfig,
    `cannot trust what answers at ${file}: ${untrusted.message}`,
    `Run ${untrusted.hint}, or use another "socket-dir" in the network configuration and the same --socket-dir of the daemon.`,
  );
}
