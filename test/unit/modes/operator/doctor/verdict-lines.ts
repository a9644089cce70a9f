/** Verdicts as tables of tests write them. */
import { expect } from 'vitest';
import type { Verdict } from '../../../../../src/modes/operator/doctor/check.ts';

/** Writes each verdict in one line, `level: message`, and ` -> fix` behind it if it has one. */
export function linesOf(verdicts: Verdict | readonly Verdict[]): string[] {
  return [verdicts].flat().map(({ level, message, fix }) => `${level}: ${message}${fix === null ? '' : ` -> ${fix}`}`);
}

/** What a line must be: the text as a whole, or any that matches. */
export function like(expected: string | RegExp): unknown {
  return typeof expected === 'string' ? expected : expect.stringMatching(expected);
}
