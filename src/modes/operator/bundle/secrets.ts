/**
 * Keeps secrets out of texts that leave the host. Twice over: what is known to be a secret is removed wherever it stands and
 * however it is written; and whatever stands where secrets stand is removed, known or not. Scanned by hand: no expression that
 * finds all of this is quick on every text.
 */
import { readFileSync } from 'node:fs';
import { isJsonObject } from '../../../cni/config-check.ts';
import type { FlagValues } from '../../daemon/config/command-line.ts';

/** What stands in the place of a secret. */
export const removed = '[removed]';

/** Names that secrets have, or parts of them, also misspelt; `ibapauth` is the session cookie of WAPI. */
const secretWord =
  /pas+(?:w|phrase|\b)|pwd|secret|token|cookie|authorization|api_?key|private_?key|ibapauth|setcredential/gi;
/** Characters below which a known secret is removed as a word alone: it may be part of any other. */
const shortest = 4;
/** Characters of a secret in a variable that is not the driver's. */
const shortestOfOthers = 8;
const isNamePart = (character = '') => /[\w-]/.test(character);

/** Finds the secrets of this host: those that flags, environment and files hold. @param files with a password and nothing else */
export function knownSecrets(flags: FlagValues, env: NodeJS.ProcessEnv, files: readonly string[]): string[] {
  // A switch may have such a name, too; its value is a word that stands everywhere.
  const isSecret = (name: string, value: string) =>
    name === 'WAPI_PASSWORD' || (isSecretName(name) && value.length >= shortestOfOthers);
  const variables = Object.entries(env).flatMap(([name, value = '']) => (isSecret(name, value) ? [value] : []));
  return [flags['wapi-password'], ...variables, ...files.map(contentOf)];
}

/** What cannot be read cannot leak either. */
function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}

/** Makes what removes secrets from a text. @param known secrets as they are */
export function secretRemover(known: readonly string[]): (text: string) => string {
  // To remove a part of the driver's own name wherever that stands would tell it.
  const worthHiding = known.filter((secret) => !'infoblox-cni-daemon'.includes(secret));
  const writings = [...new Set(worthHiding.flatMap(writingsOf))];
  // The longest first: one may be part of another.
  writings.sort((one, other) => other.length - one.length);
  return (text) => {
    const less = writings.reduce(removeWriting, text);
    let isKey = false;
    const lines = less.split('\n').map((line) => {
      const begins = line.indexOf('-----BEGIN ');
      const wasKey = isKey;
      if (begins >= 0 && line.includes('PRIVATE KEY-----', begins)) isKey = true;
      const isHidden = wasKey || isKey;
      if (line.includes('-----END ')) isKey = false;
      if (isHidden) return wasKey ? removed : `${cleanLine(line.slice(0, begins))}${removed}`;
      return cleanLine(line);
    });
    return lines.join('\n');
  };
}

/** A copy of a JSON value in which nothing is left under names that secrets have. */
export function withoutSecretMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecretMembers);
  if (!isJsonObject(value)) return value;
  const members = Object.entries(value);
  return Object.fromEntries(
    members.map(([name, member]) => [name, isSecretName(name) ? removed : withoutSecretMembers(member)]),
  );
}

/** Directories that every shell exports. */
const workingDirectory = /^(?:OLD)?PWD$/;

/** A file that holds a secret is none. */
function isSecretName(name: string): boolean {
  return name.search(secretWord) >= 0 && !/[-_]file$/i.test(name) && !workingDirectory.test(name);
}

/** A secret in clear, in JSON, in a URL, in base64. */
function writingsOf(secret: string): string[] {
  const inJson = JSON.stringify(secret).slice(1, -1);
  return [secret, inJson, encodeURIComponent(secret), Buffer.from(secret).toString('base64')];
}

function removeWriting(text: string, writing: string): string {
  if (writing.length >= shortest) return text.replaceAll(writing, removed);
  return text.replaceAll(writing, (found, offset: number) => {
    const isPart = isNamePart(text[offset - 1]) || isNamePart(text[offset + found.length]);
    return isPart ? found : removed;
  });
}

function cleanLine(line: string): string {
  return withoutNamed(line)
    .replace(/\b(basic|bearer) [\w+/=.~-]+/gi, `$1 ${removed}`)
    .replace(/[^\s"'<>,{}()[\]]+/g, withoutLogin);
}

/** Removes what follows a name that secrets have: a flag's value, a variable's, a member's, a header's. */
function withoutNamed(line: string): string {
  let result = '';
  let done = 0;
  for (const { index, 0: word } of line.matchAll(secretWord)) {
    if (index < done) continue;
    const value = valueAfter(line, index, index + word.length);
    if (value === undefined || value.from >= value.to) continue;
    result += `${line.slice(done, value.from)}${removed}`;
    done = value.to;
  }
  return result + line.slice(done);
}

/** Where the value of a name stands in a line. @returns undefined if it has none, or names a file */
function valueAfter(line: string, wordBegins: number, wordEnds: number): { from: number; to: number } | undefined {
  let [begin, at] = [wordBegins, wordEnds];
  while (isNamePart(line[begin - 1])) begin -= 1;
  while (isNamePart(line[at])) at += 1;
  if (!isSecretName(line.slice(begin, at))) return undefined;
  const isMember = line[at] === '"' || line[at] === "'";
  if (isMember) at += 1;
  const isFlag = line[begin] === '-';
  const separator = /^(?:\s*[=:]\s*|\s+)/.exec(line.slice(at, at + 20))?.[0];
  if (separator === undefined || (separator.trim() === '' && !isFlag)) return undefined;
  const from = at + separator.length;
  if (line.startsWith(removed, from)) return undefined;
  const quote = line[from];
  if (quote === '"' || quote === "'") return { from: from + 1, to: closing(line, from) };
  // In a file of variables a value goes to the end of the line; others end as a word does.
  const isWord = isFlag || isMember;
  const end = isWord ? line.slice(from).search(/[\s"',}\]]/) : -1;
  return { from, to: end < 0 ? line.length : from + end };
}

function closing(line: string, opening: number): number {
  for (let at = opening + 1; at < line.length; at += 1) {
    if (line[at] === '\\') at += 1;
    else if (line[at] === line[opening]) return at;
  }
  return line.length;
}

/** Removes user and password from a URL, with or without its scheme: whatever stands before the last at sign. */
function withoutLogin(word: string): string {
  const at = word.lastIndexOf('@');
  if (at < 0) return word;
  const scheme = word.indexOf('://');
  if (scheme >= 0 && scheme < at) return `${word.slice(0, scheme + 3)}${removed}${word.slice(at)}`;
  const colon = word.indexOf(':');
  if (colon < 0 || colon > at) return word;
  return `${word.slice(0, word.lastIndexOf('=', colon) + 1)}${removed}${word.slice(at)}`;
}
