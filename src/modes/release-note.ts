/**
 * Release notes: files beside the socket in which plugins record unanswered calls; their names and limits. Part of the
 * protocol, in a separate file because the hash would slow down every start of the plugin and few starts leave a note.
 */
import { createHash } from 'node:crypto';

/** Bytes of a note. A typical one has 500; tmpfs takes a page of 4096 anyway. */
export const maxNoteBytes = 4096;
/**
 * Files in a directory of notes: enough for an outage of the daemon in which each container of a full host ends a dozen
 * times.
 */
export const maxNotes = 4096;

/** Names a DEL's note. An attachment has one note, so that an ADD finds it without reading others. */
export function noteName(network: string, containerId: string, ifName: string): string {
  const key = JSON.stringify([network, containerId, ifName]);
  return `${createHash('sha256').update(key).digest('hex').slice(0, 40)}.json`;
}

/** Names an ADD's note: each call has its own. */
export function unansweredName(callId: string): string {
  return `${callId}.unanswered`;
}

/** Tells whether a file is a note. */
export function isNote(name: string): boolean {
  return /^[^.].*\.(json|unanswered)$/.test(name);
}
