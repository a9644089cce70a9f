/** The notation of verdicts in the tables of tests. */
import { expect } from 'vitest';
import type { Verdict } from '../../../../../src/modes/operator/doctor/check.ts';

/** Writes each verdict in one line, `level: message`, and ` -> fix` behind it if it has one. */
export function linesOf(verdicts: Verdict | readonly Verdict[]): string[] {
  return [verdicts].flat().map(({ level, message, fix }) => `${level}: ${message}${fix === null ? '' : ` -> ${fix}`}`);
}

/** Matches a line: the text as a whole, or the expression. */
export function like(expected: string | RegExp): unknown {
  return typeof expected === 'string' ? expected : expect.stringMatching(expected);
}
