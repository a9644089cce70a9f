/**
 * Reads the durable state for a support bundle. A running daemon has the file locked, so this reads a copy; a copy made during a write
 * looks as after a power failure. This process runs as root in a directory of the service, so it reads only regular files of the service.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../../../errno.ts';
import { readRegularFile } from '../../../files/regular-file.ts';
import { refuseUntrusted } from '../../../files/trusted-path.ts';
import { phases } from '../../../infoblox/lease/lease.ts';
import { serviceUid } from '../../daemon/process.ts';
import { CommandError } from '../command-error.ts';

/** Maximum size of a copied file: the state of 10,000 leases takes a few MiB. */
const maxBytes = 128 * 1024 * 1024;
const tables = ['lease', 'block', 'fact', 'history'];

/** Reads facts about the state in a directory. @throws Error if there is none, and as `stateFiles` */
export function stateFacts(stateDir: string): unknown {
  const files = stateFiles(stateDir);
  if (files.length === 0) throw new Error(`there is no state in ${stateDir}`);
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-support-'));
  try {
    for (const { name, data } of files) writeFileSync(join(directory, basename(name)), data);
    return factsOf(new DatabaseSync(join(directory, 'state.db')));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Reads the files of the state. @throws CommandError if one is unreadable or untrusted */
export function stateFiles(stateDir: string): { readonly name: string; readonly data: Uint8Array }[] {
  const user = serviceUid();
  return ['state.db', 'state.db-wal'].flatMap((name) => {
    const file = join(stateDir, name);
    try {
      refuseUntrusted(stateDir, { user });
      const data = readRegularFile(file, { maxBytes, user })?.bytes;
      return data === undefined ? [] : [{ name: `state/${name}`, data }];
    } catch (error) {
      throw new CommandError(`cannot read ${file}: ${messageOf(error)}`);
    }
  });
}

/** Counts rows; leases.json has the leases themselves, if the daemon runs. */
function factsOf(database: DatabaseSync) {
  try {
    const one = (sql: string, ...values: string[]) => Object.values(database.prepare(sql).get(...values) ?? {})[0];
    const isTable = (name: string) => one('SELECT type FROM sqlite_schema WHERE name = ?', name) === 'table';
    const counts = (names: readonly string[], count: (name: string) => unknown) =>
      Object.fromEntries(names.map((name) => [name, count(name)]));
    return {
      schemaVersion: one('PRAGMA user_version'),
      integrity: one('PRAGMA quick_check(1)'),
      rows: counts(tables.filter(isTable), (name) => one(`SELECT count(*) FROM ${name}`)),
      leases: isTable('lease')
        ? counts(phases, (phase) => one('SELECT count(*) FROM lease WHERE phase = ?', phase))
        : null,
    };
  } finally {
    database.close();
  }
}
