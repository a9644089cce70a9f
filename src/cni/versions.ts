/**
 * Protocol versions (SPEC section 3 "Deriving request configuration", section 2 "VERSION").
 * Loaded by the plugin process: imports nothing but errors.
 */
import type { Command } from './environment.ts';
import { CniCode, CniError } from './errors.ts';

/** Every published version, oldest first; `isAtLeast` relies on the order. */
export const supportedVersions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export type CniVersion = (typeof supportedVersions)[number];

/** The newest version that this plugin speaks. */
export const currentVersion: CniVersion = '1.1.0';

/** The version that introduced each later command. */
const firstVersion: Partial<Record<Command, CniVersion>> = { CHECK: '0.4.0', GC: '1.1.0', STATUS: '1.1.0' };

/** One to three numbers: the versions that the reference can compare. */
const versionNumber = /^[+-]?\d+(\.[+-]?\d+){0,2}$/;

/** Tells whether this plugin supports a version. "1.0" and "v1.0.0" are not protocol versions. */
export function isSupported(version: string): version is CniVersion {
  return (supportedVersions as readonly string[]).includes(version);
}

/** Tells whether `version` is `than` or newer. */
export function isAtLeast(version: CniVersion, than: CniVersion): boolean {
  return supportedVersions.indexOf(version) >= supportedVersions.indexOf(than);
}

/**
 * Reads `cniVersion` of a network configuration. Absent, null and empty mean 0.1.0, which had no such key.
 * @returns the version as written; `requireVersion` tells whether it is supported
 * @throws CniError 6 if it is not a string
 */
export function decodeVersion(value: unknown): string {
  if (value === undefined || value === null || value === '') return '0.1.0';
  if (typeof value === 'string') return value;
  throw new CniError(
    CniCode.decode,
    'cniVersion in the network configuration is not a string',
    `Write it in quotes, for example "cniVersion": "${currentVersion}".`,
  );
}

/**
 * Decides whether a call can be served in the requested version.
 * @throws CniError 1 if the version is unknown or older than the command; 6 if CHECK, GC or STATUS names a version that
 * is not made of numbers, as the reference does
 */
export function requireVersion(version: string, command: Command): CniVersion {
  const first = firstVersion[command];
  const supported = `This plugin speaks ${supportedVersions.join(', ')}; set cniVersion in the network configuration to`;
  if (first !== undefined && !versionNumber.test(version)) {
    throw new CniError(
      CniCode.decode,
      `cniVersion ${quote(version)} is not a version number`,
      `${supported} one of these.`,
    );
  }
  if (!isSupported(version)) {
    throw new CniError(
      CniCode.incompatibleVersion,
      `incompatible CNI version: the network configuration asks for ${quote(version)}`,
      `${supported} one of these.`,
    );
  }
  if (first !== undefined && !isAtLeast(version, first)) {
    throw new CniError(
      CniCode.incompatibleVersion,
      `incompatible CNI version: ${command} does not exist in ${version}`,
      `${supported} ${first} or later to use ${command}.`,
    );
  }
  return version;
}

/**
 * Chooses the version of an answer to a call whose version may be missing or unknown: the caller's if it is supported,
 * else the newest.
 */
export function answerVersion(callerVersion: string | undefined): CniVersion {
  return callerVersion !== undefined && isSupported(callerVersion) ? callerVersion : currentVersion;
}

/**
 * Makes the answer to VERSION (SPEC section 2 "VERSION"). The specification wants the caller's version back. Like the
 * reference, answers the newest to a caller that names none: version 0.1.0 had no VERSION.
 */
export function versionAnswer(callerVersion: string | undefined): {
  cniVersion: CniVersion;
  supportedVersions: readonly CniVersion[];
} {
  return { cniVersion: answerVersion(callerVersion), supportedVersions };
}

function quote(version: string): string {
  return JSON.stringify(version.slice(0, 40));
}
