/** Checks, and how they are run: side by side, each in its time, none without those that it needs. */
import { messageOf } from '../../../errno.ts';
import { abortable } from '../../../infoblox/concurrency/clock.ts';
import { GridError } from '../../../infoblox/errors.ts';
import type { Progress } from '../../operator-protocol.ts';
import { CommandError } from '../command-error.ts';
import { type Finding, failure, skipped, type Verdict } from './finding.ts';

/** A row of a table of checks. */
interface Row {
  /**
   * Titles of checks above, of the same group if it has one, that must not have failed, or this one can tell nothing: each of them; of a
   * list, one.
   */
  readonly needs?: readonly (string | readonly string[])[];
  /**
   * Looks and judges; changes nothing anywhere.
   * @throws GridError or CommandError, which is a failure with its hint as the fix
   */
  run(signal: AbortSignal): readonly Verdict[] | Promise<readonly Verdict[]>;
}

export type Check = Row & Pick<Finding, 'group' | 'title' | 'about'>;

/** Makes the checks of a group. @param rows by title; `about`: see `Finding` */
export function checks(group: string, rows: Readonly<Record<string, Row>>, about?: string): Check[] {
  return Object.entries(rows).map(([title, row]) => ({ group, title, about, ...row }));
}

export interface RunOptions {
  readonly timeLimitMs?: number;
  /** Told how many checks are done. */
  readonly onProgress?: (progress: Progress) => void;
}

/** Of a check: a first connection, a login and a slow search. */
const usualTimeLimitMs = 20_000;

type Begun = { readonly check: Check; readonly verdicts: Promise<readonly Verdict[]> };

/** Runs checks and returns what they have found, in the order of the checks. */
export async function runChecks(
  all: readonly Check[],
  { timeLimitMs = usualTimeLimitMs, onProgress }: RunOptions = {},
): Promise<Finding[]> {
  const begun: Begun[] = [];
  let done = 0;
  for (const check of all) {
    const needs = (check.needs ?? []).map((need) => [need].flat().map((title) => find(begun, check, title)));
    const verdicts = perform(check, needs, timeLimitMs).finally(() => {
      done += 1;
      onProgress?.({ done, total: all.length });
    });
    begun.push({ check, verdicts });
  }
  const findings = begun.map(async ({ check: { group, title, about }, verdicts }) =>
    (await verdicts).map((verdict) => ({ group, title, about, ...verdict })),
  );
  return (await Promise.all(findings)).flat();
}

function find(begun: readonly Begun[], { group, title }: Check, needed: string): Begun {
  const titled = begun.filter(({ check }) => check.title === needed);
  const found = titled.find(({ check }) => check.group === group) ?? titled[0];
  if (found === undefined) throw new Error(`the check ${title} needs ${needed}, which is not above it`);
  return found;
}

async function perform(
  check: Check,
  needs: readonly (readonly Begun[])[],
  timeLimitMs: number,
): Promise<readonly Verdict[]> {
  for (const needed of needs) {
    const results = await Promise.all(needed.map(({ verdicts }) => verdicts));
    if (!results.every(hasFailed)) continue;
    // What failed first, not what was skipped for it.
    const before = results.flat().find(({ level }) => level === 'skipped');
    return [skipped(before?.message ?? `${needed.map((one) => one.check.title).join(', ')} failed`)];
  }
  const signal = AbortSignal.timeout(timeLimitMs);
  try {
    return await abortable(Promise.resolve(check.run(signal)), signal, () => {
      const hint = 'see why it is so slow; what needs it was not checked';
      return new CommandError(`no answer within ${timeLimitMs / 1000} s`, hint);
    });
  } catch (error) {
    if (error instanceof GridError || error instanceof CommandError) return [failure(error.message, error.hint)];
    return [failure(`internal error: ${messageOf(error)}`, 'report it, with the output of support-bundle')];
  }
}

function hasFailed(verdicts: readonly Verdict[]): boolean {
  return verdicts.some(({ level }) => level === 'failure' || level === 'skipped');
}

/** Makes a look that several checks share: it is taken once, by the first that asks. */
export function shared<T>(look: (signal: AbortSignal) => Promise<T>): (signal: AbortSignal) => Promise<T> {
  let taken: Promise<T> | undefined;
  return (signal) => {
    taken ??= look(signal);
    return taken;
  };
}
