/**
 * Records a call that got no answer in a note beside the socket, so that nothing is lost: of a DEL its release, of an ADD that
 * its caller has no answer, and so no address. Loaded only when there is something to record.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { writeDurably } from '../../files/durable-file.ts';
import { makeDirectory } from '../../files/trusted-path.ts';
import { type Call, defaultSocketDir, owedDir, requestFrame, socketFile } from '../protocol.ts';
import { maxNoteBytes, maxNotes, noteName, unansweredName } from '../release-note.ts';
import { type DaemonPlace, sentConfig } from '../sent-config.ts';
import { ownName } from './process.ts';

/** Where a note goes. */
interface NotePlace extends DaemonPlace {
  /** The one place that is made if it is absent, since no author of a configuration has chosen it; the plugin's unless a test says so. */
  readonly own?: DaemonPlace;
}

/**
 * Leaves the note of a call: complete and on disk when this returns, or not there at all. That of a DEL has its release carried out;
 * that of an ADD has what it may have taken released, unless another ADD of the attachment was answered with it.
 * @throws UntrustedPath if users other than root could change what is written there; Error if the directory is no daemon's, if it has
 * as many notes as it may, or if the note is too long; the error of the file system
 */
export function leaveNote(place: NotePlace, method: 'ADD' | 'DEL', call: Call): void {
  const { callId, containerId, ifName, config } = call;
  const name = method === 'ADD' ? unansweredName(callId) : noteName(String(config.name), containerId, ifName);
  // What the daemon reads of a note: whose address it is about, and when it has to look for it on the grid, where.
  writeNote(place, name, requestFrame(method, { ...call, netns: '', args: '', config: sentConfig('DEL', config) }));
}

/**
 * The author of a network configuration chooses directory and name: nothing is made where no daemon has been, and no more than so much
 * is written where one was. A daemon with a user of its own reads it through the group of the directory, which tmpfiles.d has made for it.
 */
function writeNote({ socketDir, driverName, own = ownPlace() }: NotePlace, name: string, text: string): void {
  const directory = owedDir(socketDir, driverName);
  // After a boot a runtime may come before the daemon.
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

function ownPlace(): DaemonPlace {
  return { socketDir: defaultSocketDir, driverName: ownName() };
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
