import { statSync } from 'node:fs';
import type { CallEnvironment } from '../../cni/environment.ts';
import { CniCode, CniError } from '../../cni/errors.ts';

/**
 * Refuses an ADD for the plugin's own namespace, which would configure the host (SPEC section 5 "Error", code 8). The
 * reference refuses a DEL, too, but one for `/proc/PID/ns/net` finds the host's namespace there once the PID is another process:
 * it has an address to release like any other.
 * @throws CniError 8, unless CNI_NETNS_OVERRIDE is set
 */
export function refuseOwnNamespace({ command, netns }: CallEnvironment, env: NodeJS.ProcessEnv): void {
  if (command !== 'ADD' || /^(1|true)$/i.test(env.CNI_NETNS_OVERRIDE ?? '')) return;
  try {
    const [own, given] = [statSync('/proc/self/ns/net'), statSync(netns)];
    if (own.ino !== given.ino || own.dev !== given.dev) return;
  } catch {
    return;
  }
  throw new CniError(
    CniCode.ownNamespace,
    `CNI_NETNS ${netns} is the network namespace that the plugin runs in`,
    "Name the container's network namespace, or set CNI_NETNS_OVERRIDE=true if this is meant.",
  );
}
