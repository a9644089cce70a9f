/**
 * A Grid Master Candidate beside a simulated grid. It serves reads from its own copy, which may lag behind the master's, and
 * refuses writes until it is promoted (WAPI section 10).
 */
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import { type Grid, startGrid } from '../../simulator/grid.ts';

/** The candidate's address. That of the master is 127.0.0.1. */
export const candidateHost = '127.0.0.2';

export interface Candidate {
  readonly grid: Grid;
  /** Copies all networks without their contents. */
  catchUp(): void;
  promote(): void;
  stop(): Promise<void>;
}

/** @param master whose port the candidate uses, too, as one flag sets the port of all hosts */
export async function startCandidate(master: Grid): Promise<Candidate> {
  const grid = await startGrid();
  grid.readOnly = true;
  const relay = await relayed(master.port, grid.port);
  return {
    grid,
    catchUp: () => {
      for (const { network } of master.networks()) grid.add('network', { network });
    },
    promote: () => {
      grid.readOnly = false;
    },
    stop: async () => {
      await relay.close();
      await grid.stop();
    },
  };
}

/** Relays connections to the candidate's address to another port of 127.0.0.1, after an optional delay. */
export async function relayed(
  port: number,
  to: number,
  { delayMs = 0 }: { readonly delayMs?: number } = {},
): Promise<{ readonly close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    const onward = dial(to, '127.0.0.1');
    for (const end of [socket, onward]) {
      sockets.add(end);
      end.on('error', () => {});
      end.on('close', () => sockets.delete(end));
    }
    setTimeout(() => socket.pipe(onward).pipe(socket), delayMs);
    socket.on('close', () => onward.destroy());
    onward.on('close', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(port, candidateHost, resolve));
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
