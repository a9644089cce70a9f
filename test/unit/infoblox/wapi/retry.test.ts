import { describe, expect, test } from 'vitest';
import { GridError, type Reason } from '../../../../src/infoblox/errors.ts';
import type { Request } from '../../../../src/infoblox/wapi/request.ts';
import {
  type FailedAttempt,
  needsConfirmation,
  retryDecision,
  unconfirmed,
} from '../../../../src/infoblox/wapi/retry.ts';

/** Judges a first attempt that failed at once. By default the caller waits, the grid was healthy and has one host. */
function judge(reason: Reason, more: Partial<FailedAttempt> & { outcome?: GridError['outcome'] } = {}) {
  const { outcome = 'none', ...failed } = more;
  const error = new GridError(reason, 'why', { outcome });
  return retryDecision({
    error,
    attempt: 0,
    tookMs: 0,
    usualMs: 0,
    callerLeft: false,
    otherHost: false,
    troubleMs: 0,
    random: Math.random,
    ...failed,
  });
}

/** Words the decision: state of the host, state of the grid, and when the request is sent again. */
function decision({ hostFailed, grid, pauseMs }: ReturnType<typeof retryDecision>): string {
  const again = pauseMs === undefined ? 'not again' : pauseMs === 0 ? 'at once' : 'after a pause';
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
  test(`from the only host: ${alone}`, () => {
    expect(decision(judge(reason))).toBe(alone);
  });

  test(`from one of several hosts: ${withAnother}`, () => {
    expect(decision(judge(reason, { otherHost: true }))).toBe(withAnother);
  });

  test('for a caller who left at once: nothing is known, and no retry', () => {
    expect(decision(judge(reason, { callerLeft: true, tookMs: 3_000 }))).toBe('host well, grid unknown, not again');
  });

  test('with an open outcome is not retried, even if there is another host', () => {
    for (const outcome of ['unknown', 'open'] as const) {
      expect(judge(reason, { outcome }).pauseMs).toBeUndefined();
      expect(judge(reason, { outcome, otherHost: true }).pauseMs).toBeUndefined();
    }
  });
});

describe('after a write by reference has failed, another look', () => {
  const mayHelp = (...judged: Parameters<typeof judge>) => judge(...judged).mayLookAgain;

  test.each<Reason>(['unreachable', 'bad-answer', 'grid-fault', 'missing', 'unconfirmed'])('may help: %s', (reason) => {
    expect(mayHelp(reason)).toBe(true);
    expect(mayHelp(reason, { outcome: 'unknown' })).toBe(true);
    expect(mayHelp(reason, { troubleMs: 60_000 })).toBe(true);
  });

  test.each<Reason>(['read-only', 'untrusted', 'not-wapi'])('may help if there is another host: %s', (reason) => {
    expect(mayHelp(reason)).toBe(false);
    expect(mayHelp(reason, { otherHost: true })).toBe(true);
  });

  test.each<Reason>(['credentials', 'permission', 'licence', 'conflict', 'rejected', 'busy'])(
    'does not help: %s',
    (reason) => expect(mayHelp(reason, { otherHost: true })).toBe(false),
  );

  test('does not help while the write may still be carried out, or after the caller has left', () => {
    expect(mayHelp('timeout', { outcome: 'open', otherHost: true })).toBe(false);
    expect(mayHelp('unreachable', { callerLeft: true, otherHost: true })).toBe(false);
  });
});

test('a caller who leaves after three seconds without an answer shows that the grid is in trouble', () => {
  expect(decision(judge('timeout', { callerLeft: true, tookMs: 3_001 }))).toBe(`${failed}, not again`);
});

test('a caller who leaves a slow grid before twice its usual time shows nothing', () => {
  const slow = { callerLeft: true, usualMs: 8_000 };
  expect(decision(judge('timeout', { ...slow, tookMs: 16_000 }))).toBe('host well, grid unknown, not again');
  expect(decision(judge('timeout', { ...slow, tookMs: 16_001 }))).toBe(`${failed}, not again`);
});

test('after ten seconds of trouble each host is asked once per request', () => {
  expect(judge('unreachable', { troubleMs: 10_000 }).pauseMs).toBeGreaterThan(0);
  expect(judge('unreachable', { troubleMs: 10_001 }).pauseMs).toBeUndefined();
  expect(judge('unreachable', { troubleMs: 10_001, otherHost: true }).pauseMs).toBe(0);
});

test('there are five retries, with pauses that double up to three seconds and vary by a quarter', () => {
  for (const [attempt, pause] of [250, 500, 1_000, 2_000, 3_000].entries()) {
    expect(judge('unreachable', { attempt }).pauseMs).toBeGreaterThanOrEqual(0.75 * pause);
    expect(judge('unreachable', { attempt }).pauseMs).toBeLessThanOrEqual(1.25 * pause);
  }
  expect(judge('unreachable', { attempt: 5 }).pauseMs).toBeUndefined();
  expect(judge('unreachable', { attempt: 5, otherHost: true }).pauseMs).toBeUndefined();
});

const missing = new GridError('missing', 'gone');
const refused = new GridError('rejected', 'no');

const read = (confirm?: boolean): Request => ({ method: 'GET', path: 'network', confirm });

/** `confirm` of the request, the answer of a host other than the writer, whether the writer is asked. */
test.each<[boolean | undefined, GridError | undefined, boolean]>([
  [undefined, undefined, false],
  [undefined, missing, false],
  [true, undefined, true],
  [true, missing, true],
  [true, refused, false],
])('confirm %s, answer %s: asks the writer: %s', (confirm, answer, asked) => {
  expect(needsConfirmation(read(confirm), { host: 'a', writer: 'b' }, answer)).toBe(asked);
  expect(needsConfirmation(read(confirm), { host: 'a', writer: undefined }, answer)).toBe(asked);
  expect(needsConfirmation(read(confirm), { host: 'a', writer: 'a' }, answer)).toBe(false);
});

test('an unconfirmed answer names the host that answered, and the host that could not confirm', () => {
  const cause = new GridError('unreachable', 'down');
  expect(unconfirmed(read(true), { host: 'a', writer: 'b' }, cause)).toMatchObject({
    ...{ reason: 'unconfirmed', outcome: 'none', cause },
    message:
      'GET network: a is not known to accept writes and may lack the latest writes; b, which does, cannot be asked',
  });
  expect(unconfirmed(read(true), { host: 'a', writer: undefined }, undefined).message).toBe(
    'GET network: a may lack the latest writes, and no host is known to accept writes',
  );
});
