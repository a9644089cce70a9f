/**
 * What a support bundle says of the durable state. The daemon that runs has the file locked, so a copy is looked into; one that was
 * made in the middle of a write is as a power failure would leave it.
 */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Item, jsonItem } from './item.ts';

/** Bytes of a state that is copied. */
const largest = 256 * 1024 * 1024;
const files = ['state.db', 'state.db-wal'];

/** Collects what is known of the state in a directory. */
export function stateItems(stateDir: string): Promise<Item> {
  return jsonItem('state.json', () => withCopy(stateDir, (copy) => facts(new DatabaseSync(copy))));
}

/** The files of the state as they are. @throws Error if they are too large to be given to anybody */
export function stateFiles(stateDir: string): { readonly name: string; readonly data: Uint8Array }[] {
  refuseLarge(stateDir);
  const present = files.filter((name) => existsSync(join(stateDir, name)));
  return present.map((name) => ({ name: `state/${name}`, data: readFileSync(join(stateDir, name)) }));
}

function withCopy<T>(stateDir: string, use: (file: string) => T): T {
  refuseLarge(stateDir);
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-support-'));
  try {
    for (const name of files) {
      if (existsSync(join(stateDir, name))) copyFileSync(join(stateDir, name), join(directory, name));
    }
    return use(join(directory, 'state.db'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function refuseLarge(stateDir: string): void {
  const { size } = statSync(join(stateDir, 'state.db'));
  if (size > largest) throw new Error(`state.db has ${size} bytes, too many to be copied`);
}

/** Counts alone: the rows are in leases.json, if the daemon runs. */
function facts(database: DatabaseSync) {
  try {
    const one = (sql: string) => Object.values(database.prepare(sql).get() ?? {})[0];
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
    const names = tables.map(({ name }) => String(name));
    return {
      schemaVersion: one('PRAGMA user_version'),
      integrity: one('PRAGMA quick_check(1)'),
      rows: Object.fromEntries(names.map((name) => [name, one(`SELECT count(*) FROM "${name}"`)])),
      leases: names.includes('lease')
        ? database.prepare('SELECT phase, count(*) AS count FROM lease GROUP BY phase').all()
        : [],
      facts: names.includes('fact')
        ? database
            .prepare('SELECT name FROM fact')
            .all()
            .map(({ name }) => name)
        : [],
    };
  } finally {
    database.close();
  }
}
