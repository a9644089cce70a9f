import { describe, expect, test } from 'vitest';
import { GridError, type Reason } from '../../../../src/infoblox/errors.ts';
import type { Request } from '../../../../src/infoblox/wapi/request.ts';
import {
  type FailedAttempt,
  needsConfirmation,
  retryDecision,
  unconfirmed,
} from '../../../../src/infoblox/wapi/retry.ts';

/** A first attempt that failed at once, with a caller who waits, a grid that was well and no other host. */
function judge(reason: Reason, more: Partial<FailedAttempt> & { outcome?: GridError['outcome'] } = {}) {
  const { outcome = 'none', ...failed } = more;
  const error = new GridError(reason, 'why', { outcome });
  return retryDecision({
    error,
    attempt: 0,
    took: 0,
    usualMs: 0,
    callerLeft: false,
    otherHost: false,
    troubleFor: 0,
    random: Math.random,
    ...failed,
  });
}

/** What follows: is the host at fault, what of the grid, and is the request sent again: at once, after a pause, or not. */
function decision({ hostFailed, grid, pause }: ReturnType<typeof retryDecision>): string {
  const again = pause === undefined ? 'not again' : pause === 0 ? 'at once' : 'after a pause';
  return [hostFailed ? 'host failed' : 'host well', `grid ${grid ?? 'unknown'}`, again].join(', ');
}

const failed = 'host failed, grid in trouble';

describe.each<[Reason, string, string]>([
  ['unreachable', `${failed}, after a pause`, 'host failed, grid unknown, at once'],
  ['timeout', `${failed}, after a pause`, 'host failed, grid unknown, at once'],
  ['bad-answer', `${failed}, after a pause`, 'host failed, grid unknown, at once'],
  ['grid-fault', `${failed}, after a pause`, 'host failed, grid unknown, at once'],
  ['read-only', `${failed}, not again`, 'host failed, grid unknown, at once'],
  ['untrusted', `${failed}, not again`, 'host failed, grid unknown, at once'],
  ['credentials', 'host well, grid in trouble, not again', 'host well, grid in trouble, not again'],
  ['wapi-version', 'host well, grid in trouble, not again', 'host well, grid in trouble, not again'],
  ['licence', 'host well, grid in trouble, not again', 'host well, grid in trouble, not again'],
  ['permission', 'host well, grid well, not again', 'host well, grid well, not again'],
  ['conflict', 'host well, grid well, not again', 'host well, grid well, not again'],
  ['missing', 'host well, grid well, not again', 'host well, grid well, not again'],
  ['rejected', 'host well, grid well, not again', 'host well, grid well, not again'],
  ['no-free-address', 'host well, grid well, not again', 'host well, grid well, not again'],
  ['not-wapi', 'host failed, grid unclear, not again', 'host failed, grid unclear, at once'],
  ['busy', 'host well, grid unknown, not again', 'host well, grid unknown, not again'],
])('%s', (reason, alone, withAnother) => {
  test(`of the only host: ${alone}`, () => {
    expect(decision(judge(reason))).toBe(alone);
  });

  test(`of one of several: ${withAnother}`, () => {
    expect(decision(judge(reason, { otherHost: true }))).toBe(withAnother);
  });

  test('with a caller who left at once: nothing is known, and nothing sent again', () => {
    expect(decision(judge(reason, { callerLeft: true, took: 3_000 }))).toBe('host well, grid unknown, not again');
  });

  test('that may have done something is not sent again, also where another host would serve', () => {
    for (const outcome of ['unknown', 'open'] as const) {
      expect(judge(reason, { outcome }).pause).toBeUndefined();
      expect(judge(reason, { outcome, otherHost: true }).pause).toBeUndefined();
    }
  });
});

describe('after a write by reference has failed, another look', () => {
  const mayHelp = (...judged: Parameters<typeof judge>) => judge(...judged).mayLookAgain;

  test.each<Reason>(['unreachable', 'bad-answer', 'grid-fault', 'missing', 'unconfirmed'])('may help: %s', (reason) => {
    expect(mayHelp(reason)).toBe(true);
    expect(mayHelp(reason, { outcome: 'unknown' })).toBe(true);
    expect(mayHelp(reason, { troubleFor: 60_000 })).toBe(true);
  });

  test.each<Reason>(['read-only', 'untrusted', 'not-wapi'])('may help if there is another host: %s', (reason) => {
    expect(mayHelp(reason)).toBe(false);
    expect(mayHelp(reason, { otherHost: true })).toBe(true);
  });

  test.each<Reason>(['credentials', 'permission', 'licence', 'conflict', 'rejected', 'busy'])(
    'does not help: %s',
    (reason) => expect(mayHelp(reason, { otherHost: true })).toBe(false),
  );

  test('does not help while the write may still be carried out, nor whoever has left', () => {
    expect(mayHelp('timeout', { outcome: 'open', otherHost: true })).toBe(false);
    expect(mayHelp('unreachable', { callerLeft: true, otherHost: true })).toBe(false);
  });
});

test('a caller who left after three seconds without an answer has shown that the grid is in trouble', () => {
  expect(decision(judge('timeout', { callerLeft: true, took: 3_001 }))).toBe(`${failed}, not again`);
});

test('a caller who left a slow grid before twice the time of its last answers has shown nothing', () => {
  const slow = { callerLeft: true, usualMs: 8_000 };
  expect(decision(judge('timeout', { ...slow, took: 16_000 }))).toBe('host well, grid unknown, not again');
  expect(decision(judge('timeout', { ...slow, took: 16_001 }))).toBe(`${failed}, not again`);
});

test('a grid that has been in trouble for more than ten seconds gets one try a request, but each of its hosts', () => {
  expect(judge('unreachable', { troubleFor: 10_000 }).pause).toBeGreaterThan(0);
  expect(judge('unreachable', { troubleFor: 10_001 }).pause).toBeUndefined();
  expect(judge('unreachable', { troubleFor: 10_001, otherHost: true }).pause).toBe(0);
});

test('five retries, with pauses that double up to three seconds, a quarter more or less', () => {
  for (const [attempt, pause] of [250, 500, 1_000, 2_000, 3_000].entries()) {
    expect(judge('unreachable', { attempt }).pause).toBeGreaterThanOrEqual(0.75 * pause);
    expect(judge('unreachable', { attempt }).pause).toBeLessThanOrEqual(1.25 * pause);
  }
  expect(judge('unreachable', { attempt: 5 }).pause).toBeUndefined();
  expect(judge('unreachable', { attempt: 5, otherHost: true }).pause).toBeUndefined();
});

const missing = new GridError('missing', 'gone');
const refused = new GridError('rejected', 'no');

const read = (confirm?: boolean): Request => ({ method: 'GET', path: 'network', confirm });

/** What is asked for, what another host than the writer refuses it with, whether the writer is asked. */
test.each<[boolean | undefined, GridError | undefined, boolean]>([
  [undefined, undefined, false],
  [undefined, missing, false],
  [true, undefined, true],
  [true, missing, true],
  [true, refused, false],
])('to confirm: %s; answered: %s; the writer is asked: %s', (confirm, answer, asked) => {
  expect(needsConfirmation(read(confirm), { host: 'a', writer: 'b' }, answer)).toBe(asked);
  expect(needsConfirmation(read(confirm), { host: 'a', writer: undefined }, answer)).toBe(asked);
  expect(needsConfirmation(read(confirm), { host: 'a', writer: 'a' }, answer)).toBe(false);
});

test('an answer that nobody confirms names who answered, and who could not', () => {
  const cause = new GridError('unreachable', 'down');
  expect(unconfirmed(read(true), { host: 'a', writer: 'b' }, cause)).toMatchObject({
    ...{ reason: 'unconfirmed', outcome: 'none', cause },
    message:
      'GET network: a is not known to accept writes and may lack what was written last; b, which does, cannot be asked',
  });
  expect(unconfirmed(read(true), { host: 'a', writer: undefined }, undefined).message).toMatch(
    /; no host is known to$/,
  );
});
