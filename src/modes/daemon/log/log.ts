/** The daemon's log: people's text on a terminal, one JSON object a line otherwise. Details never hold secrets. */
import { fstatSync } from 'node:fs';
import { createConsola, LogLevels } from 'consola';
import { printable } from './printable.ts';

export type Details = Readonly<Record<string, unknown>>;

export interface Log {
  error(message: string, details?: Details): void;
  warn(message: string, details?: Details): void;
  info(message: string, details?: Details): void;
  debug(message: string, details?: Details): void;
}

export type Level = keyof Log;

/** Priorities of syslog, which the journal reads in front of a line (sd-daemon(3)). */
const priorities: Readonly<Record<Level, string>> = { error: '<3>', warn: '<4>', info: '<6>', debug: '<7>' };

/** One line as the journal takes it, if that is where stderr goes: for what is said before there is a log. */
export function inJournal(level: Level, text: string): string {
  return `${isJournal(process.env) ? priorities[level] : ''}${printable(text)}\n`;
}

/** @param toJournal whether each line begins with its priority, for `journalctl -p err` */
export function createLog(level: Level, format: 'text' | 'json', toJournal = false): Log {
  const consola = createConsola({
    level: LogLevels[level],
    throttle: 0,
    reporters: [
      {
        log: ({ date, type, args: [message, details] }) => {
          const line = format === 'json' ? inJson : inWords;
          const priority = toJournal ? priorities[type as Level] : '';
          process.stderr.write(`${priority}${line(date, type, message, (details ?? {}) as Details)}\n`);
        },
      },
    ],
  });
  const write = (type: Level) => (message: string, details?: Details) => consola[type](message, details);
  return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
}

/**
 * Whether a stream is the journal's: systemd names it in JOURNAL_STREAM, which children of the service inherit, too
 * (systemd.exec(5)).
 * @param fd descriptor of the stream that the log is written to
 */
export function isJournal(env: Readonly<Record<string, string | undefined>>, fd = 2): boolean {
  if (env.JOURNAL_STREAM === undefined) return false;
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return env.JOURNAL_STREAM === `${dev}:${ino}`;
  } catch {
    return false; // no stderr at all
  }
}

function inJson(date: Date, level: string, message: string, details: Details): string {
  return printable(JSON.stringify({ time: date.toISOString(), level, message, ...details }));
}

function inWords(date: Date, level: string, message: string, details: Details): string {
  const words = Object.entries(details)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
  return printable(`${date.toISOString()} ${level.padEnd(5)} ${message}${words === '' ? '' : ` (${words})`}`);
}
