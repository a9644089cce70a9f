/**
 * The vectors recorded from the reference (vectors/*.json, data only), typed, and the way to compare with them. Tests of
 * the whole program may use the same tables; the rows where we decide otherwise are in deviations.ts.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { CniError } from '../../src/cni/errors.ts';
import { deviationOf, type Subject, type VectorFile } from './deviations.ts';

export { type Deviation, deviationOf, deviations, type Subject, type VectorFile } from './deviations.ts';

export type JsonObject = Record<string, unknown>;
export type Environment = Record<string, string>;

/** What a process run comes to: status, and the error code or the document on stdout if there is one. */
export interface Outcome {
  readonly exitCode: number;
  readonly code?: number;
  readonly stdout?: unknown;
}

export interface ExecCase {
  readonly name: string;
  readonly note?: string;
  readonly env: Environment;
  readonly stdin: string;
  /** What the reference did; of the two documents that one case prints, the error counts. */
  readonly outcome: Outcome;
}

export interface ResultCase {
  readonly name: string;
  readonly input: JsonObject;
  readonly decodeError?: string;
  readonly versions?: { readonly cniVersion: string; readonly error?: string; readonly json?: unknown }[];
}

export interface StdoutCase {
  readonly name: string;
  readonly netconfVersion: string;
  readonly ipamStdout: string;
  readonly error?: string;
  readonly asCurrent?: JsonObject;
  readonly ipCount?: number;
  readonly mainPluginVerdict?: string;
}

export interface ArgsCase {
  readonly name: string;
  readonly args: string;
  readonly error?: string;
  readonly values?: JsonObject;
}

export interface NameCase {
  readonly value: string;
  readonly valid: boolean;
  readonly code?: number;
}

export interface RecordedCall {
  readonly title: string;
  readonly cmd: string;
  readonly env: Environment;
  readonly stdin: JsonObject;
}

export interface VersionVectors {
  readonly all: string[];
  readonly current: string;
  readonly decode: { readonly stdin: string; readonly version?: string; readonly error?: string }[];
  readonly parse: { readonly version: string; readonly error?: string }[];
  readonly compare: { readonly a: string; readonly b: string; readonly aGreaterOrEqualB?: boolean }[];
  readonly reconcile: { readonly configVersion: string; readonly pluginSupports: string[]; readonly code?: number }[];
  readonly versionOutput: { readonly versionStdout: string; readonly supportedVersions?: string[] }[];
  readonly conflist: { readonly selectedVersion?: string }[];
}

interface RawExecCase extends Omit<ExecCase, 'outcome'> {
  readonly exitCode: number;
  readonly stdout: string;
}

type Named<T> = Omit<T, 'title'>;

export const execCases: readonly ExecCase[] = load<RawExecCase[]>('exec').map(({ exitCode, stdout, ...rest }) => ({
  ...rest,
  outcome: outcomeOf(exitCode, stdout),
}));
export const resultCases = load<ResultCase[]>('results');
export const stdoutCases = load<StdoutCase[]>('ipam-stdout');
export const argsCases = load<ArgsCase[]>('cni-args');
export const nameCases = load<Record<'containerID' | 'ifName' | 'networkName', NameCase[]>>('names');
export const versionVectors = load<VersionVectors>('versions');

/** Every call that reached an IPAM plugin through a real main plugin or runtime. */
export const recordedCalls: readonly RecordedCall[] = [...delegatedCalls(), ...runtimeCalls()];

/**
 * Reads a process run's status and stdout. An error object counts by its code alone: its texts are nobody's contract,
 * and the reference leaves its cniVersion out.
 */
export function outcomeOf(exitCode: number, stdout: string): Outcome {
  if (stdout === '') return { exitCode };
  const last: JsonObject = JSON.parse(stdout.slice(stdout.lastIndexOf('}{') + 1));
  return typeof last.code === 'number' ? { exitCode, code: last.code } : { exitCode, stdout: last };
}

/** Compares with a vector, or, where a deviation is listed, with what the list says; then the vector must not fit. */
export function expectAsVector(
  file: VectorFile,
  name: string,
  actual: unknown,
  vector: unknown,
  subject: Subject = 'functions',
): void {
  const deviation = deviationOf(file, name, subject);
  if (deviation === undefined) {
    expect(actual).toEqual(vector);
    return;
  }
  expect(actual, 'is listed as a deviation, but agrees with the reference').not.toEqual(vector);
  expect(actual).toEqual(typeof deviation.ours === 'function' ? deviation.ours(vector) : deviation.ours);
}

/** @returns what `run` returns, or the code of the CniError that it throws. Other errors pass through. */
export function codeOr<T>(run: () => T): T | number {
  try {
    return run();
  } catch (error) {
    if (error instanceof CniError) return error.code;
    throw error;
  }
}

function load<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`vectors/${file}.json`, import.meta.url), 'utf8'));
}

function delegatedCalls(): RecordedCall[] {
  type Step = { step: string; ipamCalls: Named<RecordedCall>[] };
  type Case = { mainPlugin: string; pluginsRelease: string; cniVersion: string | null; steps: Step[] };
  return load<Case[]>('delegation').flatMap(({ mainPlugin, pluginsRelease, cniVersion, steps }) =>
    steps.flatMap(({ step, ipamCalls }) =>
      ipamCalls.map((call) => ({
        ...call,
        title: `${step} of ${mainPlugin} ${pluginsRelease}, ${cniVersion ?? 'no version'}`,
      })),
    ),
  );
}

function runtimeCalls(): RecordedCall[] {
  return Object.entries(load<Record<string, Named<RecordedCall>[]>>('runtimes')).flatMap(([what, calls]) =>
    calls.map((call, index) => ({ ...call, title: `call ${index + 1} of ${what}` })),
  );
}
