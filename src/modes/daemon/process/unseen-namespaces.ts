import type { Namespaces } from '../../../infoblox/lease/sandbox.ts';
import type { Log } from '../log/log.ts';

/**
 * The same look at namespaces, but the first one under /proc that this process is not allowed to see is warned of: the
 * systemd unit hides them, and the container would be found dead by DEL and GC alone.
 */
export function warnOfUnseen(namespaces: Namespaces, log: Log): Namespaces {
  let warned = false;
  return {
    boot: namespaces.boot,
    isGone: (witness) => namespaces.isGone(witness),
    witness(path) {
      const witness = namespaces.witness(path);
      if (!warned && witness.netnsId === null && path.startsWith('/proc/')) {
        warned = true;
        log.warn(
          'cannot see the network namespace of a container: if it ends without DEL, only GC releases its address',
          {
            netns: path,
            hint: 'let the daemon see other processes: "Runtimes that name /proc" in docs/operations.md',
          },
        );
      }
      return witness;
    },
  };
}
