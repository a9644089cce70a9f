/** Defines checks and runs them: concurrently, each with a time limit, and each after those that it needs. */
import { messageOf } from '../../../errno.ts';
import { abortable } from '../../../infoblox/concurrency/clock.ts';
import { GridError } from '../../../infoblox/errors.ts';
import type { Progress } from '../../operator-protocol.ts';
import { CommandError } from '../command-error.ts';

export type Level =
  | 'ok'
  /** It works, but is unsafe, about to fail, or probably not intended. */
  | 'warning'
  /** Containers do not start, or get an address that is in use. */
  | 'failure'
  /** Not checked; the message says why. */
  | 'skipped';

/** A result of a check. */
export interface Verdict {
  readonly level: Level;
  /** What was found, and why: a clause. */
  readonly message: string;
  /** What to do about it: a clause. Null: nothing. */
  readonly fix: string | null;
}

export interface Finding extends Verdict {
  /** Group of the check: `host`, `plugins`, `grid`, `network net-1`. */
  readonly group: string;
  /** Title of the check. */
  readonly title: string;
}

/** Makes the verdict that all is as it should be. */
export function ok(message: string): Verdict {
  return { level: 'ok', message, fix: null };
}

/** Makes the verdict that something works, but should be changed. */
export function warning(message: string, fix: string | null | undefined): Verdict {
  return { level: 'warning', message, fix: fix ?? null };
}

/** Makes the verdict that something does not work. */
export function failure(message: string, fix: string | null | undefined): Verdict {
  return { level: 'failure', message, fix: fix ?? null };
}

/** Makes the verdict that something was not checked. @param message why not */
export function skipped(message: string): Verdict {
  return { level: 'skipped', message, fix: null };
}

/**
 * Performs a check without changing anything.
 * @throws GridError or CommandError, reported as a failure with its hint as the fix
 */
type Look = (signal: AbortSignal) => Verdict | readonly Verdict[] | Promise<Verdict | readonly Verdict[]>;

export interface Check extends Pick<Finding, 'group' | 'title'> {
  /** Titles of earlier checks that must have passed. Of several with the same title, the nearest one above counts. */
  readonly needs?: readonly string[];
  readonly look: Look;
}

/** Makes a row of a table of checks, with `needs` as in `Check`. */
export function after(needs: readonly string[], look: Look): Pick<Check, 'needs' | 'look'> {
  return { needs, look };
}

/** Makes the checks of a group. @param rows by title */
export function checks(group: string, rows: Readonly<Record<string, Look | ReturnType<typeof after>>>): Check[] {
  return Object.entries(rows).map(([title, row]) => {
    return { group, title, ...(typeof row === 'function' ? { look: row } : row) };
  });
}

export interface RunOptions {
  readonly timeLimitMs?: number;
  /** Called with the number of checks done. */
  readonly onProgress?: (progress: Progress) => void;
}

/** Enough for a connection, a login and a slow search. */
const usualTimeLimitMs = 20_000;

/** Runs checks and returns their findings in the order of the checks. */
export async function runChecks(
  all: readonly Check[],
  { timeLimitMs = usualTimeLimitMs, onProgress }: RunOptions = {},
): Promise<Finding[]> {
  const begun: { readonly title: string; readonly findings: Promise<Finding[]> }[] = [];
  let done = 0;
  for (const { group, title, needs = [], look } of all) {
    const needed = needs.map((name) => {
      const found = begun.findLast((one) => one.title === name);
      if (found === undefined) throw new Error(`the check ${title} needs ${name}, which is not above it`);
      return found.findings;
    });
    const examine = async () => {
      const verdicts = (await whyNot(needed)) ?? (await perform(look, timeLimitMs));
      done += 1;
      onProgress?.({ done, total: all.length });
      return verdicts.map((verdict) => ({ group, title, ...verdict }));
    };
    begun.push({ title, findings: examine() });
  }
  return (await Promise.all(begun.map(({ findings }) => findings))).flat();
}

/** Says why a check is not run: names the check that failed, not those skipped because of it. */
async function whyNot(needed: readonly Promise<readonly Finding[]>[]): Promise<Verdict[] | undefined> {
  for (const findings of needed) {
    const failed = (await findings).find(({ level }) => level === 'failure' || level === 'skipped');
    if (failed !== undefined) return [skipped(failed.level === 'skipped' ? failed.message : `${failed.title} failed`)];
  }
  return undefined;
}

async function perform(look: Look, timeLimitMs: number): Promise<readonly Verdict[]> {
  const signal = AbortSignal.timeout(timeLimitMs);
  try {
    const found = await abortable(Promise.resolve(look(signal)), signal, () => {
      const hint = 'find out why it is slow; checks that need it were skipped';
      return new CommandError(`no answer within ${timeLimitMs / 1000} s`, hint);
    });
    return [found].flat();
  } catch (error) {
    if (error instanceof GridError || error instanceof CommandError) return [failure(error.message, error.hint)];
    return [failure(`internal error: ${messageOf(error)}`, 'report it, with the output of support-bundle')];
  }
}

/** Shares the result of a look between checks: the first check that asks runs it. */
export function shared<T>(look: (signal: AbortSignal) => Promise<T>): (signal: AbortSignal) => Promise<T> {
  let taken: Promise<T> | undefined;
  return (signal) => {
    taken ??= look(signal);
    return taken;
  };
}
