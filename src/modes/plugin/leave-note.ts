/**
 * Records an unanswered call in a note beside the socket. A DEL's note has the daemon make the release; an ADD's says
 * that the caller got no address. Loaded only when there is something to record.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { writeDurably } from '../../files/durable-file.ts';
import { makeDirectory } from '../../files/trusted-path.ts';
import { type Call, type DaemonPlace, defaultSocketDir, owedDir, requestFrame, socketFile } from '../protocol.ts';
import { maxNoteBytes, maxNotes, noteName, unansweredName } from '../release-note.ts';
import { sentConfig } from '../sent-config.ts';
import { ownName } from './process.ts';

/** Where a note goes. */
interface NotePlace extends DaemonPlace {
  /**
   * The only place that is created if absent: the plugin's own, which no network configuration chose. Tests set
   * another.
   */
  readonly own?: DaemonPlace;
}

/**
 * Writes the note of a call: complete and on disk when this returns, or absent. The daemon carries out the release of a
 * DEL's note. For an ADD's note it releases what the call may have taken, unless another ADD of the attachment has
 * returned it. The network configuration chooses the directory, so the number of notes is limited, and a daemon must have
 * been there. A daemon with a user of its own reads them through the group of the directory, which tmpfiles.d creates.
 * @throws UntrustedPath if users other than root could change the directory; Error if it is not a daemon's, is full, or
 * the note is too long; the error of the file system
 */
export function leaveNote(place: NotePlace, method: 'ADD' | 'DEL', call: Call): void {
  const { socketDir, driverName, own = { socketDir: defaultSocketDir, driverName: ownName() } } = place;
  const { callId, containerId, ifName, config } = call;
  const directory = owedDir(socketDir, driverName);
  const name = method === 'ADD' ? unansweredName(callId) : noteName(String(config.name), containerId, ifName);
  // The daemon needs to know whose address it is and, if it is looked up on the grid, where.
  const text = requestFrame(method, { ...call, netns: '', args: '', config: sentConfig('DEL', config) });
  // After a boot a runtime may start before the daemon.
  if (socketDir === own.socketDir && driverName === own.driverName) makeDirectory(socketDir, 0o755);
  else if (![directory, socketFile(socketDir, driverName)].some(exists)) {
    throw new Error(`no daemon called ${driverName} has used ${socketDir}`);
  }
  makeDirectory(directory, 0o700, 'group');
  if (Buffer.byteLength(text) > maxNoteBytes) throw new Error(`its note is longer than ${maxNoteBytes} bytes`);
  if (!exists(`${directory}/${name}`) && readdirSync(directory).length >= maxNotes) {
    throw new Error(`${directory} has ${maxNotes} files already`);
  }
  writeDurably({ directory, name, mode: 0o640 }, text);
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
