/** The plugin's file in a directory of plugins: this executable, under the driver's name. */
import { createHash } from 'node:crypto';
import { createReadStream, linkSync, lstatSync, readlinkSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { copyDurably, linkDurably, type Place, removeDrafts } from '../../../files/durable-file.ts';
import { versionLine } from '../../about.ts';
import { sayVersion } from '../plugin-directories.ts';

const mode = 0o755;
/** The daemon's name, by which the same file is the operator's commands. */
const daemonName = 'infoblox-cni-daemon';
/** Milliseconds without a write after which a draft is nobody's: a copy takes some seconds. */
export const draftAge = 60_000;

/**
 * Puts this executable into a directory of plugins, in one step: a runtime finds the former file, or the whole new one. A program of
 * another kind that has the name is kept beside it.
 * @param executable path of this executable
 * @returns what was done, a line for people each
 * @throws the error of the file system
 */
export async function placePlugin(place: Place, executable: string): Promise<string[]> {
  const file = join(place.directory, place.name);
  removeDrafts(place, Date.now() - draftAge);
  const present = lstatIfThere(file);
  const isComplete = present !== undefined && (present.mode & 0o7777) === mode && (await areEqual(file, executable));
  if (isComplete) return [`${file} is up to date`];
  const said: string[] = [];
  if (present !== undefined && !(await isOurs(file))) {
    said.push(`${file} is another program: kept as ${await keep(file)}`);
  }
  copyDurably({ ...place, mode }, executable);
  return [...said, `installed ${file}: ${versionLine}`];
}

/**
 * Makes a link of the daemon's name to the plugin, so that the operator's commands can be run on the host; a file of that name
 * stays.
 * @returns what was done, a line for people each
 */
export function placeDaemonLink({ directory, name }: Place): string[] {
  const link = { directory, name: daemonName };
  const file = join(directory, daemonName);
  removeDrafts(link, Date.now() - draftAge);
  const present = lstatIfThere(file);
  if (present?.isSymbolicLink() === false) return [`${file} is no link and stays as it is`];
  if (present !== undefined && readlinkSync(file) === name) return [`${file} is up to date`];
  linkDurably(link, name);
  return [`linked ${file} to ${name}`];
}

/** Whether a file is this driver, of whatever release. */
async function isOurs(file: string): Promise<boolean> {
  const said = await sayVersion(file, new AbortController().signal);
  return 'value' in said && said.value.startsWith('infoblox-cni ');
}

/** Gives a file a second name, the first that is free; what was kept earlier is not kept twice. @returns the name */
async function keep(file: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const kept = number === 1 ? `${file}.replaced` : `${file}.replaced-${number}`;
    if (lstatIfThere(kept) === undefined) {
      linkSync(file, kept);
      return kept;
    }
    if (await areEqual(file, kept)) return kept;
  }
}

/** False also for what is no file. */
async function areEqual(one: string, other: string): Promise<boolean> {
  const [first, second] = [lstatIfThere(one), lstatIfThere(other)];
  if (!first?.isFile() || !second?.isFile() || first.size !== second.size) return false;
  return (await digestOf(one)) === (await digestOf(other));
}

function lstatIfThere(file: string): Stats | undefined {
  return lstatSync(file, { throwIfNoEntry: false });
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
