/**
 * Records a call that got no answer in a note beside the socket, so that nothing is lost: of a DEL its release, of an ADD that
 * its caller has no answer, and so no address. Loaded only when there is something to record.
 */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeDirectory } from '../../infoblox/host/directory.ts';
import { writeDurably } from '../../infoblox/host/durable-file.ts';
import { type Call, owedDir, requestFrame } from '../protocol.ts';
import { noteName, unansweredName } from '../release-note.ts';
import type { DaemonPlace } from '../sent-config.ts';

/**
 * Leaves the note of a DEL: complete and on disk when this returns, or not there at all.
 * @param network name of the network, as the configuration has it
 * @throws UntrustedPath if users other than root could change what is written there; the error of the file system
 */
export function leaveReleaseNote({ socketDir, driverName }: DaemonPlace, network: string, call: Call): void {
  const directory = owedDir(socketDir, driverName);
  // A mistyped directory is an error, not a place where nobody looks: only its last part is made.
  statSync(dirname(socketDir));
  makeDirectory(socketDir, 0o755);
  writeNote(directory, noteName(network, call.containerId, call.ifName), requestFrame('DEL', call));
}

/**
 * Leaves the note of an ADD: what it may have taken is released, unless another ADD of the attachment was answered with it.
 * @throws as `leaveReleaseNote`
 */
export function leaveUnansweredNote({ socketDir, driverName }: DaemonPlace, call: Call): void {
  const directory = owedDir(socketDir, driverName);
  writeNote(directory, unansweredName(call.callId), requestFrame('ADD', call));
}

/** A daemon with a user of its own reads it through the group of the directory, which tmpfiles.d has made for it. */
function writeNote(directory: string, name: string, text: string): void {
  makeDirectory(directory, 0o700, 'group');
  writeDurably({ directory, name, mode: 0o640 }, text);
}
