/**
 * Ports that nobody else takes while they are free, such as that of a grid that is away for a while: they are below those that the kernel
 * gives out (net.ipv4.ip_local_port_range, from 32,768), and each process of the tests has its own.
 */
import { createServer } from 'node:net';

const first = 12_000;
const portsPerProcess = 64;
const processes = 320;

let given = 0;

/** Returns the next port of this process, which may be in use. */
function nextPort(): number {
  given += 1;
  return first + portsPerProcess * (process.pid % processes) + (given % portsPerProcess);
}

/** Listens at the first port that is free. @param listen rejects with EADDRINUSE if a port is not. @returns the port */
export async function listenAtFreePort(listen: (port: number) => Promise<unknown>): Promise<number> {
  for (;;) {
    const port = nextPort();
    try {
      await listen(port);
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
}

/** Finds a free TCP port of 127.0.0.1. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const listen = (port: number) =>
    new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const port = await listenAtFreePort(listen);
  await new Promise((resolve) => server.close(resolve));
  return port;
}
