/**
 * The envelope of the network configuration on stdin: JSON, network name, version (SPEC section 2 "Parameters", section
 * 4). The plugin checks it before it asks the daemon, so this file is kept small.
 */
import { isUtf8 } from 'node:buffer';
import { checkNetworkName } from './environment.ts';
import { CniCode, CniError } from './errors.ts';
import { decodeVersion } from './versions.ts';

/** A network configuration with a valid envelope. */
interface NetworkConfig {
  /** As written, "0.1.0" if absent; `requireVersion` decides whether it is supported. */
  readonly cniVersion: string;
  readonly name: string;
  /** The whole document. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** The origin of a network configuration, for error messages. */
interface Where {
  readonly place: string;
  /** A sentence that says how it gets there. */
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
 * Decodes a network configuration. Like the reference, takes `null` as an empty one.
 * @param where its origin, for the error
 * @throws CniError 6 if it is not a JSON object
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
 * Reads the caller's version for an answer to an unreadable call: VERSION must work with any stdin, and error objects
 * carry a version. Never throws.
 * @returns `cniVersion` as written, undefined if it cannot be read; see `answerVersion`
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
 * Finds the key of a GC's list of valid attachments. spec-v1.1.0 first called it by the second name; the reference
 * client sends both.
 */
export function attachmentsKey(config: Readonly<Record<string, unknown>>): string | undefined {
  return ['cni.dev/valid-attachments', 'cni.dev/attachments'].find((key) => Object.hasOwn(config, key));
}

/** Tells whether a value is a JSON object; arrays are not. */
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
