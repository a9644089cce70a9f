/** Something at the daemon's socket that is not a working daemon. */
import { mkdirSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';

export interface FakeDaemon {
  stop(): Promise<void>;
}

/** Listens at `file` and hands every connection to `serve`. */
export async function startFakeDaemon(file: string, serve: (socket: Socket) => void): Promise<FakeDaemon> {
  mkdirSync(dirname(file), { recursive: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    serve(socket);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(file, resolve);
  });
  return {
    stop: () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      return closed;
    },
  };
}
