/** Checks, and how they are run: side by side, each in its time, none without those that it needs. */
import { abortable } from '../../../infoblox/concurrency/abortable.ts';
import { GridError } from '../../../infoblox/errors.ts';
import { messageOf } from '../../../infoblox/host/errno.ts';
import type { Progress } from '../../operator-protocol.ts';
import { CommandError } from '../command-error.ts';
import { type Finding, failure, skipped, type Verdict } from './finding.ts';

export interface Check {
  /** What it belongs to, see `Finding`. */
  readonly group: string;
  /** What is checked. */
  readonly title: string;
  /** See `Finding`. */
  readonly about?: string;
  /** Checks that must not have failed, or this one can tell nothing: each of them; of a list, one. */
  readonly needs?: readonly (Check | readonly Check[])[];
  /**
   * Looks and judges; changes nothing anywhere.
   * @throws GridError or CommandError, which is a failure with its hint as the fix
   */
  run(signal: AbortSignal): readonly Verdict[] | Promise<readonly Verdict[]>;
}

export interface RunOptions {
  /** Milliseconds for each check. */
  readonly timeLimit?: number;
  /** Told how many checks are done. */
  readonly onProgress?: (progress: Progress) => void;
}

/** Milliseconds: a first connection, a login and a slow search. */
const usualTimeLimit = 20_000;

/** Runs checks and returns what they have found, in the order of the checks. Never throws. */
export async function runChecks(
  checks: readonly Check[],
  { timeLimit = usualTimeLimit, onProgress }: RunOptions = {},
): Promise<Finding[]> {
  const started = new Map<Check, Promise<readonly Verdict[]>>();
  let done = 0;
  const start = (check: Check): Promise<readonly Verdict[]> => {
    const verdicts = started.get(check) ?? perform(check, start, timeLimit);
    started.set(check, verdicts);
    return verdicts;
  };
  const findings = checks.map(async (check) => {
    const { group, title, about } = check;
    const verdicts = await start(check);
    done += 1;
    onProgress?.({ done, total: checks.length });
    return verdicts.map((verdict) => ({ group, title, about, ...verdict }));
  });
  return (await Promise.all(findings)).flat();
}

async function perform(
  check: Check,
  start: (check: Check) => Promise<readonly Verdict[]>,
  timeLimit: number,
): Promise<readonly Verdict[]> {
  for (const need of check.needs ?? []) {
    const needed = [need].flat();
    const results = await Promise.all(needed.map(start));
    if (!results.every(hasFailed)) continue;
    return [skipped(whyMissing(needed, results))];
  }
  try {
    const signal = AbortSignal.timeout(timeLimit);
    return await abortable(Promise.resolve(check.run(signal)), signal, () => tooLate(timeLimit));
  } catch (error) {
    return [verdictOn(error)];
  }
}

function tooLate(timeLimit: number): CommandError {
  const hint = 'see why it is so slow; what needs it was not checked';
  return new CommandError(`no answer within ${timeLimit / 1000} s`, hint);
}

function hasFailed(verdicts: readonly Verdict[]): boolean {
  return verdicts.some(({ level }) => level === 'failure' || level === 'skipped');
}

/** Names what failed first, not what was skipped for it. */
function whyMissing(needed: readonly Check[], results: readonly (readonly Verdict[])[]): string {
  const before = results.flat().find(({ level }) => level === 'skipped');
  return before?.message ?? `${needed.map(({ title }) => title).join(', ')} failed`;
}

/** Makes a look that several checks share: it is taken once, by the first that asks. */
export function shared<T>(look: (signal: AbortSignal) => Promise<T>): (signal: AbortSignal) => Promise<T> {
  let taken: Promise<T> | undefined;
  return (signal) => {
    taken ??= look(signal);
    return taken;
  };
}

/** Turns what was thrown into a failure. */
function verdictOn(error: unknown): Verdict {
  if (error instanceof GridError || error instanceof CommandError) return failure(error.message, error.hint);
  return failure(`internal error: ${messageOf(error)}`, 'report it, with the output of support-bundle');
}
