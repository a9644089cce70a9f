/**
 * The daemon's log: text on a terminal, otherwise one JSON object per line. Fields never contain secrets. `status`
 * shows its last errors. A condition has one line when it begins or changes its reason, and one when it ends.
 */
import { fstatSync } from 'node:fs';
import { createConsola, LogLevels } from 'consola';
import type { Condition, ConditionKind, Conditions } from '../../../infoblox/conditions.ts';
import { gridConditions, gridTrouble } from '../../../infoblox/grid-state.ts';
import type { Fields, Log } from '../../../infoblox/log.ts';
import { attachmentIn } from '../../../infoblox/mark.ts';
import type { Status } from '../../operator-protocol.ts';
import { printable } from '../../terminal-text.ts';

type Level = keyof Log;

/** Syslog priorities, which the journal reads at the start of a line (sd-daemon(3)). */
const priorities: Readonly<Record<Level, string>> = { error: '<3>', warn: '<4>', info: '<6>', debug: '<7>' };

/** Formats a line for stderr, with its priority if stderr goes to the journal. For messages before there is a log. */
export function inJournal(level: Level, text: string): string {
  return `${isJournal(process.env) ? priorities[level] : ''}${printable(text)}\n`;
}

/**
 * Makes a log that writes to stderr.
 * @param toJournal whether each line starts with its priority, for `journalctl -p err`
 */
export function createLog(level: Level, format: 'text' | 'json', toJournal = false): Log {
  const consola = createConsola({
    level: LogLevels[level],
    throttle: 0,
    reporters: [
      {
        log: ({ date, type, args: [message, fields] }) => {
          const line = format === 'json' ? inJson : inWords;
          const priority = toJournal ? priorities[type as Level] : '';
          process.stderr.write(
            `${priority}${line({ date, level: type, message, fields: (fields ?? {}) as Fields })}\n`,
          );
        },
      },
    ],
  });
  const write = (type: Level) => (message: string, fields?: Fields) => consola[type](message, fields);
  return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
}

/**
 * Tells whether a stream goes to the journal. systemd names the journal's stream in JOURNAL_STREAM, which child
 * processes inherit (systemd.exec(5)).
 * @param fd descriptor of the stream
 */
export function isJournal(env: NodeJS.ProcessEnv, fd = 2): boolean {
  if (env.JOURNAL_STREAM === undefined) return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return env.JOURNAL_STREAM === `${dev}:${ino}`;
  } catch {
    return false; // no stderr at all
  }
}

interface LogLine {
  readonly date: Date;
  readonly level: string;
  readonly message: string;
  readonly fields: Fields;
}

function inJson({ date, level, message, fields }: LogLine): string {
  return printable(JSON.stringify({ time: date.toISOString(), level, message, ...fields }));
}

function inWords({ date, level, message, fields }: LogLine): string {
  const words = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
  return printable(`${date.toISOString()} ${level.padEnd(5)} ${message}${words === '' ? '' : ` (${words})`}`);
}

export type RecentError = Status['errors'][number];

const maxErrors = 5;

/**
 * Wraps a log and remembers its last errors.
 * @returns the log, and a function that returns the errors, newest last
 */
export function rememberErrors(log: Log): { readonly log: Log; readonly recentErrors: () => readonly RecentError[] } {
  const errors: RecentError[] = [];
  const error = (message: string, fields: Fields = {}) => {
    const why = [...whose(fields), textOf(fields.error ?? fields.reason)].filter((text) => text !== null);
    const hint = textOf(fields.hint ?? fields.details);
    errors.push({ at: Date.now(), message, error: why.join(': ') || null, hint });
    if (errors.length > maxErrors) errors.shift();
    log.error(message, fields);
  };
  return { log: { ...log, error }, recentErrors: () => errors };
}

/** Returns the container that an error is about, and its address. */
function whose({ attachment, container, address }: Fields): (string | null)[] {
  const id = textOf(container) || attachmentIn(textOf(attachment) ?? '').containerId;
  return [id === '' ? null : `container ${id}`, textOf(address)];
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

interface Texts {
  readonly level: 'error' | 'warn';
  readonly begins: string;
  readonly ends: string;
}

/**
 * Conditions with lines of their own. The others are logged where they are detected, or are normal
 * (`grid-not-seen`).
 */
type Told = Exclude<ConditionKind, 'grid-not-seen' | 'reservation-lost' | 'reservation-altered' | 'import-incomplete'>;

const texts: Readonly<Record<Told, Texts>> = {
  'grid-unavailable': { level: 'error', begins: 'grid unavailable', ends: 'grid available' },
  'grid-read-only': { level: 'error', begins: 'grid refuses writes', ends: 'grid available' },
  'client-certificate': {
    level: 'error',
    begins: 'client certificate not usable',
    ends: 'client certificate usable',
  },
  'state-not-writable': { level: 'error', begins: 'state not writable', ends: 'state writable' },
  'history-not-written': { level: 'warn', begins: 'history not written', ends: 'history written' },
  'notes-ignored': {
    level: 'error',
    begins: 'release notes ignored: users other than root can write to their directory',
    ends: 'release notes read again',
  },
  'block-altered': {
    level: 'error',
    begins: 'block altered on the grid: not allocating from it',
    ends: 'block restored on the grid',
  },
  'block-shared': {
    level: 'error',
    begins: 'block has unknown reservations of this host: not allocating from it',
    ends: 'block has no unknown reservations',
  },
  'block-refused': {
    level: 'error',
    begins: 'grid refuses reservations of a block: not allocating from it',
    ends: 'grid accepts reservations of the block',
  },
  'block-unavailable': {
    level: 'warn',
    begins: 'no block available: each ADD asks the grid',
    ends: 'block available',
  },
  'releases-refused': { level: 'error', begins: 'grid refuses releases', ends: 'grid accepts releases' },
  'network-refused': { level: 'warn', begins: 'network refused', ends: 'network accepted' },
  'network-duplicate': { level: 'warn', begins: 'several networks have one name', ends: 'one network has the name' },
  'network-full': { level: 'warn', begins: 'network full', ends: 'network has free addresses' },
};

/** Logs each condition when it begins, changes its reason, or ends. */
export function logConditions(conditions: Conditions, log: Log): void {
  conditions.subscribe({
    raised: ({ kind, error: { reason, message, hint } }) => {
      if (!isTold(kind)) return;
      const { level, begins } = texts[kind];
      log[level](begins, { reason, error: message, hint });
    },
    cleared: (condition, end) => {
      const { kind } = condition;
      if (end === 'lapsed') return log.info('condition expired', { condition: kind, ...ofWhat(condition) });
      // The grid is logged once, when its last condition ends.
      if (gridConditions.includes(kind) && gridTrouble(conditions) !== undefined) return;
      if (kind === 'grid-not-seen') log.info('grid available');
      else if (isTold(kind)) log.info(texts[kind].ends, ofWhat(condition));
    },
  });
}

function isTold(kind: ConditionKind): kind is Told {
  return kind in texts;
}

/** Returns the field for the subject of an ended condition, if its kind does not imply it. */
function ofWhat({ kind, error }: Condition): { readonly was?: string } {
  return /^(network|reservation|releases|block)-/.test(kind) ? { was: error.message } : {};
}
