/** State files as the releases before this one have made them: their SQL as it was, and never to be changed. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** `steps[n]` led from version n of the file to n + 1. */
const steps = [
  `CREATE TABLE attachment (
     identity TEXT PRIMARY KEY,
     network TEXT NOT NULL,
     view TEXT NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('intent', 'held', 'owed')),
     address TEXT,
     netns TEXT,
     netnsId TEXT,
     bootId TEXT,
     createdAt INTEGER NOT NULL,
     attempts INTEGER NOT NULL DEFAULT 0,
     dueAt INTEGER,
     suspectUntil INTEGER
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX attachment_due ON attachment (dueAt) WHERE dueAt IS NOT NULL;
   CREATE INDEX attachment_network ON attachment (network);
   CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
  'ALTER TABLE attachment ADD COLUMN doomedUntil INTEGER;',
  "CREATE INDEX attachment_address ON attachment (view, address) WHERE state = 'held';",
  `DROP INDEX attachment_due;
   CREATE INDEX attachment_due ON attachment (state, dueAt) WHERE dueAt IS NOT NULL;`,
  `ALTER TABLE attachment ADD COLUMN processStart INTEGER;
   ALTER TABLE attachment ADD COLUMN bootedAt INTEGER;`,
  'ALTER TABLE attachment ADD COLUMN callers TEXT;',
  `CREATE TABLE lease (
     mark TEXT PRIMARY KEY,
     network TEXT NOT NULL,
     view TEXT NOT NULL,
     phase TEXT NOT NULL CHECK (phase IN ('pending', 'bound', 'releasing')),
     address TEXT,
     netns TEXT,
     netnsId TEXT,
     processStart INTEGER,
     bootId TEXT,
     bootedAt INTEGER,
     callers TEXT,
     createdAt INTEGER NOT NULL,
     createInDoubtUntil INTEGER,
     deleteInDoubtUntil INTEGER,
     dueAt INTEGER,
     attempts INTEGER NOT NULL DEFAULT 0
   ) STRICT, WITHOUT ROWID;
   INSERT INTO lease SELECT identity, network, view,
     CASE state WHEN 'intent' THEN 'pending' WHEN 'held' THEN 'bound' ELSE 'releasing' END,
     address, netns, netnsId, processStart, bootId, bootedAt, callers, createdAt, suspectUntil, doomedUntil, dueAt, attempts
     FROM attachment;
   DROP TABLE attachment;
   CREATE INDEX lease_due ON lease (phase, dueAt) WHERE dueAt IS NOT NULL;
   CREATE INDEX lease_network ON lease (network);
   CREATE INDEX lease_address ON lease (view, address, phase);`,
  'ALTER TABLE lease ADD COLUMN releasedAt INTEGER;',
  `ALTER TABLE lease ADD COLUMN workload TEXT;
   ALTER TABLE lease ADD COLUMN releasedBy TEXT;
   CREATE TABLE history (
     address TEXT NOT NULL,
     number INTEGER NOT NULL,
     view TEXT NOT NULL,
     mark TEXT NOT NULL,
     workload TEXT,
     boundAt INTEGER,
     recordedAt INTEGER NOT NULL,
     releasedAt INTEGER,
     releasedBy TEXT,
     returnedAt INTEGER,
     PRIMARY KEY (address, number)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX history_released ON history (releasedAt) WHERE releasedAt IS NOT NULL;`,
];

/** The last version with rows of attachments; what came after it has changed them. */
const lastOfAttachments = 6;

/** All versions that a file can have that an earlier release has left; 0 is one in which nothing has been made yet. */
export const oldVersions = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] as const;

/** A row as it was written into such a file. */
export interface OldRow {
  readonly identity: string;
  readonly network: string;
  readonly view: string;
  readonly state: 'intent' | 'held' | 'owed';
  readonly address: string | null;
  readonly netns: string | null;
  readonly netnsId: string | null;
  readonly bootId: string | null;
  readonly createdAt: number;
  readonly attempts: number;
  readonly dueAt: number | null;
  readonly suspectUntil: number | null;
  /** From version 2 on. */
  readonly doomedUntil: number | null;
  /** From version 5 on. */
  readonly processStart: number | null;
  readonly bootedAt: number | null;
  /** From version 6 on. */
  readonly callers: string | null;
}

/** Leaves a state file of an earlier release; columns that its version did not have are left out. */
export function leaveOldState(directory: string, version: number, rows: readonly OldRow[]): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(join(directory, 'state.db'));
  for (const step of steps.slice(0, Math.min(version, lastOfAttachments))) database.exec(step);
  const columns = database.prepare('SELECT name FROM pragma_table_info(?)').all('attachment');
  const names = columns.map(({ name }) => String(name));
  for (const row of version > 0 ? rows : []) {
    database
      .prepare(`INSERT INTO attachment (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`)
      .run(...names.map((name) => row[name as keyof OldRow]));
  }
  for (const step of steps.slice(lastOfAttachments, version)) database.exec(step);
  if (version > 0) database.exec("INSERT INTO fact VALUES ('adopted', 'long ago')");
  database.exec(`PRAGMA user_version = ${version}`);
  database.close();
}
