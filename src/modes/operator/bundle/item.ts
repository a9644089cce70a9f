/** One file of a support bundle: a text of bounded size, or why there is none. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { errnoOf, messageOf } from '../../../errno.ts';
import { CommandError } from '../command-error.ts';
import { inIso } from '../output/results.ts';

/** Characters of an item. */
const maxLength = 4 * 1024 * 1024;
/** Bytes of what a program writes. */
const maxOutput = 32 * 1024 * 1024;
const programTimeoutMs = 10_000;

export interface Item {
  /** Its path in the archive. */
  readonly name: string;
  readonly text: string;
  /** Whether it has what it is for. */
  readonly isThere: boolean;
}

/** Makes an item. @param make makes its text; what it throws is the reason why there is none */
export async function item(name: string, make: () => string | Promise<string>): Promise<Item> {
  try {
    return { name, text: bounded(await make()), isThere: true };
  } catch (error) {
    const hint = error instanceof CommandError && error.hint !== undefined ? `; ${error.hint}` : '';
    return { name, text: `not available: ${messageOf(error)}${hint}\n`, isThere: false };
  }
}

/** Makes an item of a value. */
export function jsonItem(name: string, make: () => unknown): Promise<Item> {
  return item(name, async () => `${JSON.stringify(await make(), inIso, 2)}\n`);
}

function bounded(text: string): string {
  if (text.length <= maxLength) return text;
  return `${text.slice(0, maxLength)}\n[cut here: it has ${text.length} characters]\n`;
}

/** Runs a program of the host and returns what it writes. @throws Error saying why not */
export async function outputOf(program: string, args: readonly string[]): Promise<string> {
  const env = { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' };
  try {
    return (await promisify(execFile)(program, args, { timeout: programTimeoutMs, maxBuffer: maxOutput, env })).stdout;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw new Error(`there is no ${program} on this host`);
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    throw new Error(`${program}: ${stderr.split('\n')[0] || messageOf(error)}`);
  }
}
