/** Whether an address is one of this host itself. The kernel is asked: the sandbox of the service keeps interfaces from it. */
import { createSocket } from 'node:dgram';

/** Any port will do: connecting a UDP socket sends nothing. */
const anyPort = 9;

/**
 * Asks the kernel with which address it would send to this one. It is the same exactly for addresses of this host, which
 * route to themselves (ip-route(8), "local"). Takes no netlink socket, as a list of the interfaces would.
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
