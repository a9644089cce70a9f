import type { Sandboxes } from '../../../infoblox/lease/sandbox/sandbox.ts';
import type { Log } from '../../../infoblox/log.ts';

/**
 * Adds a warning to the look at namespaces, for the first one under /proc that this process may not see: the systemd unit hides
 * them, and without DEL or GC the address of such a container would never be released.
 */
export function warnOfUnseen(sandboxes: Sandboxes, log: Log): Sandboxes {
  let warned = false;
  return {
    ...sandboxes,
    identify(path) {
      const sandbox = sandboxes.identify(path);
      if (!warned && sandbox.netnsId === null && path.startsWith('/proc/')) {
        warned = true;
        log.warn(
          'cannot see the network namespace of a container: if it ends without DEL, only GC releases its address',
          {
            netns: path,
            hint: 'let the daemon see other processes: "Runtimes that name /proc" in docs/operations.md',
          },
        );
      }
      return sandbox;
    },
  };
}
