/** The host that the daemon runs on, as the core asks for it: by its kernel and its files. */
import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import type { Clock } from '../../../infoblox/concurrency/clock.ts';
import type { Host, Machine } from '../../../infoblox/host.ts';
import type { Log } from '../../../infoblox/log.ts';
import { hostSandboxes, type Sandboxes } from './sandboxes.ts';

/** Any port will do: connecting a UDP socket sends nothing. */
const anyPort = 9;

const machineFiles = {
  machineId: '/etc/machine-id',
  productUuid: '/sys/class/dmi/id/product_uuid',
  /** The same hashed, as root has written it down for the service, whose user may not read the UUID. */
  hardware: '/run/infoblox-cni-hardware',
};

/** Makes the Host port of this host. */
export function thisHost({ clock, log }: { readonly clock: Clock; readonly log: Log }): Host {
  const { identify, fate } = warnOfUnseen(hostSandboxes(clock), log);
  return { machine: readMachine(), identify, fate, isOwnAddress, random: Math.random };
}

/**
 * Adds a warning to the look at namespaces, for the first one under /proc that this process may not see: the systemd unit hides
 * them, and without DEL or GC the address of such a container would never be released.
 */
export function warnOfUnseen(sandboxes: Sandboxes, log: Log): Sandboxes {
  let warned = false;
  return {
    fate: sandboxes.fate,
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

/**
 * Asks the kernel with which address it would send to this one. It is the same exactly for addresses of this host, which
 * route to themselves (ip-route(8), "local"). Takes no netlink socket, as a list of the interfaces would, which the sandbox of the
 * service keeps from it.
 * @returns false also if there is no way to the address. Never rejects
 */
export function isOwnAddress(address: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = createSocket('udp4');
  const end = (isOwn: boolean) => {
    socket.close();
    resolve(isOwn);
  };
  socket.once('error', () => end(false));
  socket.connect(anyPort, address, () => end(socket.address().address === address));
  return promise;
}

/** Reads what tells this machine from others. Never throws. */
export function readMachine({ machineId, productUuid, hardware } = machineFiles): Machine {
  const uuid = read(productUuid, /^(?![0-]+$|[f-]+$)[0-9a-f-]{36}$/);
  return {
    installation: hashed(read(machineId, /^[0-9a-f]{32}$/)),
    hardware: hashed(uuid) ?? read(hardware, /^[0-9a-f]{32}$/),
  };
}

function read(file: string, form: RegExp): string | undefined {
  try {
    const text = readFileSync(file, 'latin1').trim().toLowerCase();
    return form.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/**
 * machine-id(5): the ID is confidential and shall not leave the machine, but hashed with a word of the application. The systemd unit
 * does the same to the product UUID.
 */
function hashed(id: string | undefined): string | undefined {
  return id === undefined ? undefined : createHash('sha256').update(`infoblox-cni ${id}`).digest('hex').slice(0, 32);
}
