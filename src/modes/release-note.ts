/**
 * A DEL that no daemon took is left as a note beside the socket, so that it is not lost: the daemon settles and removes
 * it. Written by the plugin process; read in daemon/release-notes.ts.
 */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { type Call, owedDir, requestFrame } from './protocol.ts';

/** A note's name: one attachment has one note, and an ADD finds it without reading others. */
export function noteName(network: string, containerId: string, ifName: string): string {
  const key = JSON.stringify([network, containerId, ifName]);
  return `${createHash('sha256').update(key).digest('hex').slice(0, 40)}.json`;
}

/**
 * Leaves the note: complete and on disk when this returns, or not there at all.
 * @throws the error of the file system
 */
export function leaveReleaseNote(socketDir: string, driverName: string, network: string, call: Call): void {
  const directory = owedDir(socketDir, driverName);
  // Not recursive: below /proc, Node's recursive mkdir does not return.
  for (const [path, mode] of [
    [socketDir, 0o755],
    [directory, 0o700],
  ] as const) {
    if (!existsSync(path)) mkdirSync(path, { mode });
  }
  const name = noteName(network, call.containerId, call.ifName);
  const draft = `${directory}/.${name}.${process.pid}`;
  const file = openSync(draft, 'w', 0o600);
  try {
    writeSync(file, requestFrame('DEL', call));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(draft, `${directory}/${name}`);
  const parent = openSync(directory, 'r');
  try {
    fsyncSync(parent);
  } finally {
    closeSync(parent);
  }
}
