/**
 * What a call that got no answer leaves beside the socket, so that nothing is lost: a DEL its release, an ADD the word that
 * nobody lives on what it may have taken. Written by the plugin process; read in daemon/release-notes.ts.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeDirectory } from '../infoblox/directory.ts';
import { writeDurably } from '../infoblox/durable-file.ts';
import { type Call, owedDir, requestFrame } from './protocol.ts';

/** Name of a DEL's note: one attachment has one note, and an ADD finds it without reading others. */
export function noteName(network: string, containerId: string, ifName: string): string {
  const key = JSON.stringify([network, containerId, ifName]);
  return `${createHash('sha256').update(key).digest('hex').slice(0, 40)}.json`;
}

/** Name of an ADD's note: each call has its own. A daemon of an earlier release, which would release by it, leaves it alone. */
function unansweredName(callId: string): string {
  return `${callId}.unanswered`;
}

/** True for a file that is a note. */
export function isNote(name: string): boolean {
  return /^[^.].*\.(json|unanswered)$/.test(name);
}

/** True for a file that is on its way to be a note. */
export function isDraft(name: string): boolean {
  return /^\..+\.(json|unanswered)\.[0-9a-f]+$/.test(name);
}

/**
 * Leaves the note of a DEL: complete and on disk when this returns, or not there at all.
 * @throws UntrustedPath if others than root could change what is written there; the error of the file system
 */
export function leaveReleaseNote(socketDir: string, driverName: string, network: string, call: Call): void {
  const name = noteName(network, call.containerId, call.ifName);
  // A mistyped directory is an error, not a place that nobody looks at: only its last part is made.
  statSync(dirname(socketDir));
  makeDirectory(socketDir, 0o755);
  makeDirectory(owedDir(socketDir, driverName), 0o700);
  writeDurably(owedDir(socketDir, driverName), name, requestFrame('DEL', call));
}

/**
 * The same for an ADD: what it may have taken is released, unless another ADD of the attachment was answered with it.
 * @throws as above
 */
export function leaveUnansweredNote(socketDir: string, driverName: string, call: Call & { callId: string }): void {
  makeDirectory(owedDir(socketDir, driverName), 0o700);
  writeDurably(owedDir(socketDir, driverName), unansweredName(call.callId), requestFrame('ADD', call));
}
