/**
 * The network configuration on stdin, as far as the plugin process judges it before it asks the daemon: that it is
 * JSON, which network it is for and which version it is written in (SPEC section 2 "Parameters", section 4).
 * Loaded by the plugin process: small imports only.
 */
import { isUtf8 } from 'node:buffer';
import { CniCode, CniError } from './errors.ts';
import { checkNetworkName } from './names.ts';
import { decodeVersion } from './versions.ts';

/** A network configuration whose envelope is in order. */
interface NetworkConfig {
  /** As written, "0.1.0" if not written; `requireVersion` decides whether it can be served. */
  readonly cniVersion: string;
  readonly name: string;
  /** The whole document. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** Where a network configuration is from. */
interface Where {
  readonly place: string;
  /** A sentence. */
  readonly source: string;
}

const onStdin: Where = { place: ' on stdin', source: 'The main plugin passes the network configuration on stdin.' };

/**
 * Reads the envelope of the network configuration, in the order of the reference: JSON, then name, then version.
 * @throws CniError 6 if stdin is not a JSON object or a value has the wrong type; 7 if the name is missing or invalid.
 */
export function readNetworkConfig(stdin: Buffer): NetworkConfig {
  const config = decodeConfig(stdin);
  const name = networkName(config.name);
  return { cniVersion: decodeVersion(config.cniVersion), name, config };
}

/**
 * Reads the `name` of a network configuration.
 * @throws CniError 6 if it is not a string; 7 if it is missing or invalid.
 */
export function networkName(value: unknown): string {
  if (value === undefined || value === null || value === '') {
    throw new CniError(
      CniCode.invalidConfig,
      'the network configuration has no name',
      'Add "name" to the network configuration; it identifies the network on all its hosts.',
    );
  }
  if (typeof value !== 'string') {
    throw new CniError(
      CniCode.decode,
      'name in the network configuration is not a string',
      'Write it in quotes, for example "name": "my-network".',
    );
  }
  checkNetworkName(value);
  return value;
}

/**
 * Decodes a network configuration. `null` is an empty one, as for the reference.
 * @param where it is from, and who has put it there, for the error
 * @throws CniError 6 that says in which way it is not a JSON object.
 */
export function decodeConfig(bytes: Buffer, where: Where = onStdin): Record<string, unknown> {
  const undecodable = (what: string, details: string) =>
    new CniError(CniCode.decode, `the network configuration${where.place} ${what}`, details);
  if (!isUtf8(bytes)) throw undecodable('is not UTF-8', 'Save the network configuration file in UTF-8.');
  const text = bytes.toString('utf8');
  if (text.trim() === '') throw undecodable('is empty', where.source);
  if (text.startsWith('\uFEFF')) {
    throw undecodable('starts with a byte order mark', 'Save the network configuration file in UTF-8 without it.');
  }
  const value = parseJson(text, undecodable);
  if (value === null) return {};
  if (isJsonObject(value)) return value;
  const found = Array.isArray(value) ? 'an array' : `a ${typeof value}`;
  throw undecodable(`is ${found}, not a JSON object`, where.source);
}

/**
 * The caller's version for an answer that does not depend on a readable call: VERSION, which must work with any stdin,
 * and error objects. Never throws.
 * @returns `cniVersion` as written, undefined if there is none to be read. See `answerVersion`.
 */
export function peekVersion(stdin: Buffer): string | undefined {
  try {
    const { cniVersion } = decodeConfig(stdin);
    return typeof cniVersion === 'string' && cniVersion !== '' ? cniVersion : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Finds the key of a GC's list of valid attachments. The second one is the first name in spec-v1.1.0; the reference client sends both.
 * @returns undefined if there is no list
 */
export function attachmentsKey(config: Readonly<Record<string, unknown>>): string | undefined {
  return ['cni.dev/valid-attachments', 'cni.dev/attachments'].find((key) => Object.hasOwn(config, key));
}

/** Tells whether a value is a JSON object; an array is none. */
export function isJsonObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJson(text: string, undecodable: (what: string, details: string) => CniError): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.slice(0, 200) : 'it cannot be parsed';
    throw undecodable('is not valid JSON', `Correct the network configuration file: ${reason}.`);
  }
}
