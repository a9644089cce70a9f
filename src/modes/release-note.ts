/**
 * Notes: the files beside the socket in which a plugin records a call that got no answer. What they are called, and how many and how
 * long they may be. Part of the protocol; a file of its own because hashing costs a start of the plugin more, and few starts leave a note.
 */
import { createHash } from 'node:crypto';

/** Bytes of a note. One has 500, and a file system in memory takes a page of 4096 for it anyway. */
export const maxNoteBytes = 4096;
/** Files in a directory of notes: those of an outage of the daemon in which each container of a full host has ended a dozen times. */
export const maxNotes = 4096;

/** Names a DEL's note: one attachment has one note, and an ADD finds it without reading others. */
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
