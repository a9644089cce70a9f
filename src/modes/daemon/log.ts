/** The daemon's log: people's text on a terminal, one JSON object a line otherwise. Details never hold secrets. */
import { createConsola, LogLevels } from 'consola';

export type Details = Readonly<Record<string, unknown>>;

export interface Log {
  error(message: string, details?: Details): void;
  warn(message: string, details?: Details): void;
  info(message: string, details?: Details): void;
  debug(message: string, details?: Details): void;
}

export function createLog(level: keyof Log, format: 'text' | 'json'): Log {
  const consola = createConsola({
    level: LogLevels[level],
    stdout: process.stderr,
    stderr: process.stderr,
    throttle: 0,
    ...(format === 'json'
      ? {
          reporters: [
            {
              log: ({ date, type, args: [message, details] }) => {
                const line = { time: date.toISOString(), level: type, message, ...(details as Details | undefined) };
                process.stderr.write(`${JSON.stringify(line)}\n`);
              },
            },
          ],
        }
      : {}),
  });
  const write = (type: keyof Log) => (message: string, details?: Details) => {
    if (format === 'json') consola[type](message, details);
    else consola[type](details === undefined ? message : `${message} (${inWords(details)})`);
  };
  return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
}

function inWords(details: Details): string {
  return Object.entries(details)
    .map(([key, value]) => `${key}: ${typeof value === 'string' && isOneLine(value) ? value : JSON.stringify(value)}`)
    .join(', ');
}

function isOneLine(text: string): boolean {
  return !text.includes('\n');
}
