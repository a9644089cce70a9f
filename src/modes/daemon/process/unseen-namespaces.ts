import type { Sandboxes } from '../../../infoblox/lease/sandbox.ts';
import type { Log } from '../../../infoblox/log.ts';

/**
 * The same look at namespaces, but the first one under /proc that this process is not allowed to see is warned of: the
 * systemd unit hides them, and the container would be found dead by DEL and GC alone.
 */
export function warnOfUnseen(sandboxes: Sandboxes, log: Log): Sandboxes {
  let warned = false;
  return {
    boot: sandboxes.boot,
    isGone: (identity) => sandboxes.isGone(identity),
    identify(path) {
      const identity = sandboxes.identify(path);
      if (!warned && identity.netnsId === null && path.startsWith('/proc/')) {
        warned = true;
        log.warn(
          'cannot see the network namespace of a container: if it ends without DEL, only GC releases its address',
          {
            netns: path,
            hint: 'let the daemon see other processes: "Runtimes that name /proc" in docs/operations.md',
          },
        );
      }
      return identity;
    },
  };
}
