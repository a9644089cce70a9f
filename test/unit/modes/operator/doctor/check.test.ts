import { describe, expect, test } from 'vitest';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import {
  type Check,
  failure,
  ok,
  runChecks,
  type Verdict,
  warning,
} from '../../../../../src/modes/operator/doctor/check.ts';

function check(title: string, look: Check['look'], needs: Check['needs'] = []): Check {
  return { group: 'grid', title, needs, look };
}
const saying = (title: string, verdict: Verdict, needs: Check['needs'] = []) => check(title, () => [verdict], needs);

const lines = async (checks: readonly Check[], options = {}) =>
  (await runChecks(checks, options)).map(({ level, title, message }) => `${level} ${title}: ${message}`);

describe('a check that depends on another one', () => {
  const good = saying('good', ok('fine'));
  const bad = saying('bad', failure('broken', 'mend it'));

  test('runs if that succeeded, or gave a warning', async () => {
    const meagre = saying('meagre', warning('so so', 'more'));
    expect(await lines([good, meagre, saying('next', ok('fine'), ['good', 'meagre'])])).toEqual([
      'ok good: fine',
      'warning meagre: so so',
      'ok next: fine',
    ]);
  });

  test('is skipped with the name of the check that failed first, however far back', async () => {
    const next = saying('next', ok('fine'), ['good', 'bad']);
    expect(await lines([good, bad, next, saying('last', ok('fine'), ['next'])])).toEqual([
      'ok good: fine',
      'failure bad: broken',
      'skipped next: bad failed',
      'skipped last: bad failed',
    ]);
  });

  test('depends on the nearest one above if several have that title', async () => {
    const other = { ...bad, group: 'network', title: 'good' };
    expect(await lines([other, good, saying('next', ok('fine'), ['good'])])).toContain('ok next: fine');
    await expect(lines([saying('next', ok('fine'), ['good']), good])).rejects.toThrow('is not above it');
  });

  test('runs that once, even if several depend on it', async () => {
    let runs = 0;
    const counted = check('counted', () => {
      runs += 1;
      return [ok('fine')];
    });
    const needing = ['a', 'b'].map((title) => saying(title, ok('fine'), ['counted']));
    expect(await lines([counted, ...needing])).toHaveLength(3);
    expect(runs).toBe(1);
  });
});

test('independent checks run in parallel and are reported in order', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const waiting = check('waiting', () => promise.then(() => [ok('released')]));
  const releasing = check('releasing', () => {
    resolve();
    return [ok('done')];
  });
  expect(await lines([waiting, releasing])).toEqual(['ok waiting: released', 'ok releasing: done']);
});

test('a check that exceeds its time has failed', async () => {
  const never = check('never', () => new Promise(() => {}));
  expect(await lines([never], { timeLimitMs: 20 })).toEqual(['failure never: no answer within 0.02 s']);
});

test('an error that a check throws is a failure, with the hint as the fix', async () => {
  const thrown = check('thrown', () => {
    throw new GridError('permission', 'GET network: refused', { hint: 'give it the permission' });
  });
  expect(await runChecks([thrown])).toEqual([
    {
      group: 'grid',
      title: 'thrown',
      level: 'failure',
      message: 'GET network: refused',
      fix: 'give it the permission',
    },
  ]);
  const defect = check('defect', () => Promise.reject(new TypeError('no such thing')));
  expect(await lines([defect])).toEqual(['failure defect: internal error: no such thing']);
});

test('progress counts the checks', async () => {
  const seen: string[] = [];
  await runChecks([saying('a', ok('fine')), saying('b', ok('fine'))], {
    onProgress: ({ done, total }) => seen.push(`${done}/${total}`),
  });
  expect(seen).toEqual(['1/2', '2/2']);
});
