/** The daemon's place on the socket: taken at the start, kept while it runs. */
import { messageOf } from '../../../infoblox/host/errno.ts';
import type { Log } from '../../../infoblox/log.ts';
import type { Options } from '../config/options.ts';
import { StartError } from '../start-error.ts';
import type { CallServer } from './server.ts';
import { makeRoom, prepareSocket, protectSocket } from './socket-file.ts';
import { SocketWatch } from './socket-watch.ts';

export interface ListenerDeps {
  readonly server: CallServer;
  /** The socket's path, as `prepareSocket` said. */
  readonly file: string;
  readonly options: Pick<Options, 'socketDir' | 'driverName'>;
  readonly onLost: (error: StartError) => void;
  readonly log: Log;
}

/**
 * Listens, and again whenever the socket was removed.
 * @returns the watch, to be stopped
 * @throws StartError if it cannot listen
 */
export async function listen({ server, file, options, onLost, log }: ListenerDeps): Promise<SocketWatch> {
  await listenAt(server, file);
  const listenAgain = async () => {
    await prepareSocket(options.socketDir, options.driverName);
    await listenAt(server, file);
  };
  return new SocketWatch({ file, listenAgain, onLost, log });
}

async function listenAt(server: CallServer, file: string): Promise<void> {
  try {
    await makeRoom(file);
    await server.listen(file);
    protectSocket(file);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`cannot listen at ${file}: ${messageOf(error)}`);
  }
}
