/**
 * Where the daemon of a network configuration listens: the two keys under `ipam` that the plugin reads. The plugin loads this file
 * at each call.
 */
import { CniCode, CniError } from '../cni/errors.ts';
import { defaultSocketDir } from './protocol.ts';

export interface DaemonPlace {
  /** Absolute path. */
  readonly socketDir: string;
  readonly driverName: string;
}

/**
 * Reads where the daemon listens. All else under `ipam` is judged by the daemon.
 * @throws CniError 7
 */
export function daemonPlace(config: Readonly<Record<string, unknown>>): DaemonPlace {
  const { ipam, plugins } = config;
  if (typeof ipam !== 'object' || ipam === null || Array.isArray(ipam)) {
    throw new CniError(
      CniCode.invalidConfig,
      'the network configuration has no "ipam" object',
      Array.isArray(plugins)
        ? 'It is a list. A plugin gets one entry of "plugins", with "name" and "cniVersion" of the list.'
        : 'Add "ipam": {"type": "infoblox", "subnet": "..."} to it.',
    );
  }
  const { type, 'socket-dir': socketDir = defaultSocketDir } = ipam as Record<string, unknown>;
  if (typeof type !== 'string' || type === '' || type.includes('/')) {
    throw new CniError(
      CniCode.invalidConfig,
      'ipam.type in the network configuration is not the name of this plugin',
      'Set it to the plugin\'s file name, "infoblox", which is also the daemon\'s --driver-name.',
    );
  }
  if (typeof socketDir !== 'string' || !socketDir.startsWith('/')) {
    throw new CniError(
      CniCode.invalidConfig,
      'ipam.socket-dir in the network configuration is not an absolute path',
      `Set it to the daemon's --socket-dir, ${defaultSocketDir} if that is not set.`,
    );
  }
  return { socketDir, driverName: type };
}
