/**
 * A DEL that no daemon took is left as a note beside the socket, so that it is not lost: the daemon settles and removes
 * it. Written by the plugin process; read in daemon/release-notes.ts.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeDirectory } from '../infoblox/directory.ts';
import { writeDurably } from '../infoblox/durable-file.ts';
import { type Call, owedDir, requestFrame } from './protocol.ts';

/** A note's name: one attachment has one note, and an ADD finds it without reading others. */
export function noteName(network: string, containerId: string, ifName: string): string {
  const key = JSON.stringify([network, containerId, ifName]);
  return `${createHash('sha256').update(key).digest('hex').slice(0, 40)}.json`;
}

/** True for a file that is on its way to be a note. */
export function isDraft(name: string): boolean {
  return /^\..+\.json\.[0-9a-f]+$/.test(name);
}

/**
 * Leaves the note: complete and on disk when this returns, or not there at all.
 * @throws UntrustedPath if others than root could change what is written there; the error of the file system
 */
export function leaveReleaseNote(socketDir: string, driverName: string, network: string, call: Call): void {
  const directory = owedDir(socketDir, driverName);
  // A mistyped directory is an error, not a place that nobody looks at: only its last part is made.
  statSync(dirname(socketDir));
  makeDirectory(socketDir, 0o755);
  makeDirectory(directory, 0o700);
  writeDurably(directory, noteName(network, call.containerId, call.ifName), requestFrame('DEL', call));
}
