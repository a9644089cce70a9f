/**
 * Parses the command line as Go programs do, like the original driver, and the environment file as systemd does (systemd.exec(5),
 * "EnvironmentFile="). Commands read that file to find the daemon and the grid with the service's settings; a daemon without systemd can
 * read it, too.
 */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';
import { type ArgsDef, type ParsedArgs, parseArgs } from 'citty';
import { distance } from 'fastest-levenshtein';
import { isErrno, messageOf } from '../../../errno.ts';
import { distrust } from '../../../files/trusted-path.ts';
import { commandNames } from '../../about.ts';
import { StartError } from '../start-error.ts';
import { flags } from './flags.ts';

/** Reports a wrong command line. The message names the flag, never a value that may be a secret. */
export class UsageError extends Error {}

export type FlagValues = ParsedArgs<typeof flags>;

/**
 * Reads `--flag value`, `--flag=value` and the same with one dash; the last of a repeated flag counts.
 * @throws UsageError with the fault, and perhaps the intended flag
 */
export function parseFlags(args: readonly string[]): FlagValues {
  return parseArgs<typeof flags>(joinFlags(args, flags).joined, flags);
}

/** Refuses wrong flags of an environment file. @throws UsageError that names the file */
export function refuseWrong(daemonFlags: readonly string[], file: string): void {
  try {
    parseFlags(daemonFlags);
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`DAEMON_FLAGS in ${file}: ${error.message}`) : error;
  }
}

/**
 * Checks the arguments and joins each flag with its value. By itself, citty would read `-wapi-port` as nine short flags, drop a value that
 * begins with `--no-`, and accept unknown flags, stray words and missing values.
 * @param takesOperands whether operands are allowed
 * @returns the flags as `--name=value`, which citty parses safely, in order; the arguments other than flags
 * @throws UsageError with the fault, and perhaps the intended flag
 */
export function joinFlags(args: readonly string[], known: ArgsDef, takesOperands?: 'operands') {
  const joined: string[] = [];
  const operands: string[] = [];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    const [, name = '', , value] = /^--?([a-z][a-z-]*)(=(.*))?$/s.exec(arg === '-h' ? '--help' : arg) ?? [];
    const flag = Object.hasOwn(known, name) ? known[name] : undefined;
    if (flag === undefined) {
      if (takesOperands === undefined || arg.startsWith('-'))
        throw new UsageError(complaint(arg, known, joined.at(-1)));
      operands.push(arg);
      continue;
    }
    const given = value ?? (flag.type === 'boolean' ? 'true' : rest.shift());
    if (given === undefined) throw new UsageError(`flag --${name} needs a value`);
    refuseSwallowed(name, given, known);
    joined.push(`--${name}=${given}`);
  }
  return { joined, operands };
}

/** How to quote for systemd and the scripts, which split DAEMON_FLAGS into words. */
const quoting =
  'in /etc/infoblox-cni/daemon.env, put double quotes around a value with spaces, and single quotes around all of DAEMON_FLAGS';

/**
 * Refuses a value that contains another flag: after an unclosed quote, systemd takes all further flags as one value.
 * @throws UsageError with both flags, never the value
 */
function refuseSwallowed(name: string, value: string, known: ArgsDef): void {
  const swallowed = [...value.matchAll(/\s--?([a-z][a-z-]*)(?==|\s|$)/g)].find(
    ([, other]) => other && Object.hasOwn(known, other),
  )?.[1];
  if (swallowed === undefined) return;
  throw new UsageError(`the value of --${name} holds the flag --${swallowed}: a quote is missing; ${quoting}`);
}

/** Describes a wrong argument, never its value: it may contain a password, or the rest of one with a space. */
function complaint(arg: string, known: ArgsDef, before = ''): string {
  const name = /^--?([a-z][a-z_-]*)(?==|$)/i.exec(arg)?.[1];
  const meant = name && (nearest(name, Object.keys(known)) ?? holding(name, Object.keys(known)));
  if (meant) return `unknown flag --${name}; did you mean --${meant}?`;
  const shown = arg.replace(/=.*/s, '');
  if (/^--[a-z-]+$/.test(shown)) return `unknown flag ${shown}`;
  if (commandNames.some((command) => command === arg)) return `${arg} must come before all flags`;
  const argument = before.startsWith('--wapi-password=') ? '...' : shown;
  // After a flag, it is probably the rest of a value with spaces.
  return `unexpected argument "${argument}"${before === '' ? '' : `; if a quote is missing: ${quoting}`}`;
}

export const defaultEnvironmentFile = '/etc/infoblox-cni/daemon.env';

interface EnvironmentFile {
  readonly isThere: boolean;
  readonly variables: NodeJS.ProcessEnv;
  /** DAEMON_FLAGS, split into words. */
  readonly daemonFlags: readonly string[];
  /** What systemd would skip or misread; null: nothing. */
  readonly fault: string | null;
}

/**
 * Reads an environment file.
 * @param need `optional`: a missing or unreadable file counts as empty
 * @throws StartError
 */
export function readEnvironmentFile(path: string, need: 'optional' | 'required'): EnvironmentFile {
  let text: string | undefined;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (need === 'required' || !isErrno(error, 'ENOENT', 'EACCES', 'ENOTDIR')) {
      throw new StartError(`cannot read ${path}: ${messageOf(error)}`, 'check --environment-file');
    }
  }
  const variables = parseEnv(text ?? '');
  const flagsText = variables.DAEMON_FLAGS ?? '';
  const fault =
    faultIn(text ?? '') ??
    (/["']/.test(flagsText.replaceAll(/"[^"]*"|'[^']*'/g, '')) ? 'a quote within DAEMON_FLAGS is not closed' : null);
  return { isThere: text !== undefined, variables, daemonFlags: wordsOf(flagsText), fault };
}

/** An assignment with its value: quoted, perhaps over several lines, or up to the end of its line. */
const assignment = /^([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(?:"(?:[^"\\]|\\.)*"|'[^']*'|(?!["'])(?:[^\\\n]|\\.)*)/s;
/** Variables that the daemon itself reads. */
const ownVariables = ['DAEMON_FLAGS', 'WAPI_PASSWORD'] as const;

/** Describes a line that is not an assignment, or a misspelt variable; null: none. Never names a value. */
function faultIn(text: string): string | null {
  let rest = text;
  while (rest !== '') {
    rest = rest.trimStart();
    const line = `line ${text.slice(0, text.length - rest.length).split('\n').length}`;
    if (/^export\s/.test(rest)) return `${line}: systemd ignores a line with export; write NAME=VALUE alone`;
    const [comment] = /^[#;].*/.exec(rest) ?? [];
    const [whole, name = ''] = assignment.exec(rest) ?? [];
    if (rest !== '' && comment === undefined && whole === undefined) {
      return `${line}: ${/^[^\n]*=\s*["']/.test(rest) ? 'a quote is not closed' : 'it is not NAME=VALUE'}`;
    }
    const meant = nearest(name, ownVariables);
    if (meant !== undefined && meant !== name) return `${line}: unknown variable ${name}; did you mean ${meant}?`;
    rest = rest.slice((comment ?? whole ?? '').length);
  }
  return null;
}

/**
 * Reads the environment file for the daemon, which sends the password to the grid that the file names.
 * @throws StartError, also if users other than root can change the file
 */
export function readTrustedEnvironmentFile(path: string): EnvironmentFile {
  const untrusted = distrust(path);
  if (untrusted !== undefined) {
    throw new StartError(`cannot use --environment-file ${path}: ${untrusted.message}`, `run ${untrusted.hint}`);
  }
  return readEnvironmentFile(path, 'required');
}

/** Splits a text as systemd splits an unbraced `$DAEMON_FLAGS`: at white space outside quotes; removes the quotes. */
function wordsOf(text: string): string[] {
  const words = text.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.map((word) => word.replaceAll(/"([^"]*)"|'([^']*)'/g, '$1$2'));
}

/**
 * Finds the name that was probably meant: the nearest one within two letters, or one letter if it is short. Case and separators decide
 * only between names that are equally near.
 * @returns undefined if none is near
 */
export function nearest<Name extends string>(word: string, names: readonly Name[]): Name | undefined {
  const plain = plainSpelling(word);
  const [best] = names
    .map((name) => ({ name, letters: distance(plain, plainSpelling(name)) }))
    .filter(({ name, letters }) => letters <= (name.length > 4 ? 2 : 1))
    .sort((one, other) => one.letters - other.letters || distance(word, one.name) - distance(word, other.name));
  return best?.name;
}

/** Finds a name that contains a word: `--wapi-port` for `--port`; for `--password` the one with the file. */
function holding(word: string, names: readonly string[]): string | undefined {
  return word.length < 4 ? undefined : names.findLast((name) => plainSpelling(name).includes(plainSpelling(word)));
}

/** Removes case and separators, so that spellings of a name compare equal: `rangeStart`, `range_start`. Numbers stay apart: `node1-1`. */
export function plainSpelling(word: string): string {
  return word.toLowerCase().replace(/(?<!\d)[-_ .]|[-_ .](?!\d)/g, '');
}
