/** Reads what goes into a support bundle from programs, the log and files. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { isJsonObject } from '../../../cni/call.ts';
import { errnoOf, messageOf } from '../../../errno.ts';
import { readRegularFile } from '../../../files/regular-file.ts';
import { refuseUntrusted } from '../../../files/trusted-path.ts';
import { serviceUid } from '../../daemon/process.ts';
import { CommandError } from '../command-error.ts';
import { type Fields, journalShape, logShape, networkShape } from './fields.ts';

/** Bytes of a program's output. */
const maxOutputBytes = 32 * 1024 * 1024;
const programTimeoutMs = 10_000;

/** Runs a program of the host and returns its stdout. @throws Error with the reason */
export async function outputOf(program: string, args: readonly string[]): Promise<string> {
  const env = { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' };
  const limits = { timeout: programTimeoutMs, maxBuffer: maxOutputBytes };
  try {
    return (await promisify(execFile)(program, args, { ...limits, env })).stdout;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw new Error(`there is no ${program} on this host`);
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    throw new Error(`${program}: ${stderr.split('\n')[0] || messageOf(error)}`);
  }
}

/** Lines of the log. */
const maxLines = 5_000;

/** Reads the last lines of a unit's log, and counts the unknown lines that it leaves out. @throws Error if there are none */
export async function log(unit: string, fields: Fields): Promise<string> {
  const wanted = ['MESSAGE', ...Object.keys(journalShape)].join();
  const options = ['-n', String(maxLines), '-o', 'json', `--output-fields=${wanted}`, '--no-pager', '--quiet'];
  const entries = (await outputOf('journalctl', ['-u', unit, ...options])).split('\n').map(parsed).filter(isJsonObject);
  if (entries.length === 0) throw new Error('the journal has no line of the service');
  const known = entries.map((entry) => logLine(entry, fields)).filter((line) => line !== undefined);
  const leftOut = entries.length - known.length;
  return [...known, ...(leftOut === 0 ? [] : [{ leftOut }])].map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** Selects a line of the daemon's log, its error at start, or systemd's message about its end; undefined for any other line. */
function logLine(entry: Readonly<Record<string, unknown>>, fields: Fields): unknown {
  const { MESSAGE: message, __REALTIME_TIMESTAMP: microseconds } = entry;
  if (typeof message !== 'string') return undefined;
  const logged = parsed(message);
  if (isJsonObject(logged)) return fields.select(logged, logShape);
  const at = new Date(Number(microseconds) / 1000).toISOString();
  if (message.startsWith('infoblox-cni-daemon: ')) return { at, said: fields.write('text', message) };
  const ofUnit = Object.entries(fields.select(entry, journalShape) ?? {});
  return ofUnit.length === 0 ? undefined : { at, ...Object.fromEntries(ofUnit) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads the known fields of a network configuration. Its file may have the network's name. */
export function networkConfiguration(file: string, fields: Fields): unknown {
  const shown = join(dirname(file), fields.write('file', basename(file)));
  try {
    return { file: shown, config: fields.select(JSON.parse(readFileSync(file, 'utf8')), networkShape) };
  } catch (error) {
    // The message of JSON.parse quotes the file.
    return { file: shown, error: errnoOf(error) ?? 'no JSON' };
  }
}

/** Bytes of a file of the state: that of 10,000 leases takes a few MiB. */
const maxStateBytes = 128 * 1024 * 1024;

/**
 * Reads the files of the state. This process runs as root in a directory of the service, so it reads only regular files of the service.
 * A copy taken while the daemon writes looks like the state after a power failure.
 * @throws CommandError if one is unreadable or untrusted
 */
export function stateFiles(stateDir: string): { readonly name: string; readonly data: Uint8Array }[] {
  const user = serviceUid();
  return ['state.db', 'state.db-wal'].flatMap((name) => {
    const file = join(stateDir, name);
    try {
      refuseUntrusted(stateDir, { user });
      const data = readRegularFile(file, { maxBytes: maxStateBytes, user })?.bytes;
      return data === undefined ? [] : [{ name: `state/${name}`, data }];
    } catch (error) {
      throw new CommandError(`cannot read ${file}: ${messageOf(error)}`);
    }
  });
}
