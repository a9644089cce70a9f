/**
 * Ports that nobody else takes while they are free, such as that of a grid that is away for a while: they are below those that the kernel
 * gives out (net.ipv4.ip_local_port_range, from 32,768), and each process of the tests has its own.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';

const first = 12_000;
const portsPerProcess = 64;
const processes = 320;

let block: Promise<number> | undefined;
let given = 0;

/** Takes ports for this process, which listens at the first of them until it ends. @returns that one */
async function takeBlock(): Promise<number> {
  for (let number = process.pid; ; number += 1) {
    const port = first + portsPerProcess * (number % processes);
    const keeper = createServer().unref();
    if (await listens(() => once(keeper.listen(port, '127.0.0.1'), 'listening'))) return port;
  }
}

/** Listens at the first port of this process that is free. @param listen rejects with EADDRINUSE if a port is not. @returns the port */
export async function listenAtFreePort(listen: (port: number) => Promise<unknown>): Promise<number> {
  block ??= takeBlock();
  const keeper = await block;
  for (;;) {
    given += 1;
    const port = keeper + (given % portsPerProcess);
    if (await listens(() => listen(port))) return port;
  }
}

/** Tells whether a port was free to listen at. */
async function listens(listen: () => Promise<unknown>): Promise<boolean> {
  try {
    await listen();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
}

/** Finds a free TCP port of 127.0.0.1. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listenAtFreePort((one) => once(server.listen(one, '127.0.0.1'), 'listening'));
  await new Promise((resolve) => server.close(resolve));
  return port;
}
