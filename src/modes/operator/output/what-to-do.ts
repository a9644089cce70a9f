import { printable } from '../../printable.ts';

/**
 * Writes what is wrong and what to do about it on one line: `cannot reach grid-1: refused. Check --grid-host.`
 * @param hint a clause or sentences; undefined where nobody knows
 */
export function whatToDo(message: string, hint: string | undefined): string {
  if (hint === undefined) return printable(message);
  const stop = /[.?!]$/.test(message) ? '' : '.';
  return printable(
    `${message}${stop} ${hint.charAt(0).toUpperCase()}${hint.slice(1)}${/[.?!]$/.test(hint) ? '' : '.'}`,
  );
}
