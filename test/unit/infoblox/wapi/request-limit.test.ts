import { describe, expect, test } from 'vitest';
import { maxConnections, RequestLimit } from '../../../../src/infoblox/wapi/request-limit.ts';
import { ManualClock } from '../../../fixture/manual-clock.ts';

const never = new AbortController().signal;

/** Makes a limit, and records the names of the requests that it has let through. */
function start(random = 0.5) {
  const clock = new ManualClock();
  const limit = new RequestLimit({ clock, random: () => random });
  const sent: string[] = [];
  const ask = (name: string, urgency?: 'urgent') => {
    void limit.acquire(never, urgency).then(() => sent.push(name));
  };
  const askAll = async (names: string) => {
    for (const name of names) ask(name);
    await clock.turn();
  };
  /** Ends one request, the given milliseconds after it was sent. */
  const end = async (took: number, hasFailed = false) => {
    limit.learn({ tookMs: took, hasFailed });
    limit.release();
    await clock.turn();
  };
  return { clock, limit, sent, ask, askAll, end };
}

/** Makes the limit of a quick grid, with `count` requests in flight. */
async function inFlight(count: number, random?: number) {
  const started = start(random);
  await started.askAll('x');
  await started.end(10);
  await started.askAll('x'.repeat(count));
  started.sent.length = 0;
  return started;
}

describe('requests', () => {
  test('are sent one by one until the grid has answered, and then eight at once, in order of arrival', async () => {
    const { sent, askAll, end } = start();
    await askAll('abcdefghijk');
    expect(sent.join('')).toBe('a');
    await end(5_000);
    expect(sent.join('')).toBe('abcdefghi');
    await end(10);
    await end(10);
    expect(sent.join('')).toBe('abcdefghijk');
  });

  test('that are urgent are sent first', async () => {
    const { limit, sent, ask, end } = await inFlight(maxConnections);
    ask('first');
    ask('urgent', 'urgent');
    expect(limit.waiting).toBe(2);
    await end(10);
    await end(10);
    expect(sent).toEqual(['urgent', 'first']);
  });

  test('whose callers have left occupy no place', async () => {
    const { limit, sent, ask, end } = await inFlight(maxConnections);
    const impatient = new AbortController();
    const left = limit.acquire(impatient.signal);
    ask('next');
    impatient.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    await end(10);
    expect(sent).toEqual(['next']);
    await expect(limit.acquire(AbortSignal.abort(new Error('late')))).rejects.toThrow('late');
    ask('last');
    await end(10);
    expect(sent).toEqual(['next', 'last']);
  });
});

describe('a grid that answers slowly', () => {
  /** Lets each of eight answers take a moment too long. */
  async function slowed() {
    const started = await inFlight(maxConnections);
    for (let n = 0; n < maxConnections; n += 1) await started.end(5_001);
    await started.clock.advance(10);
    return started;
  }

  test('gets half as many requests after each slow answer, down to one at a time', async () => {
    const { clock, sent, askAll, end } = await slowed();
    await askAll('abc');
    expect(sent).toEqual(['a']);
    await end(5_001);
    await clock.advance(10);
    expect(sent).toEqual(['a', 'b']);
  });

  test('gets the full number of requests again after a quick answer', async () => {
    const { sent, askAll, end } = await slowed();
    await askAll('abcdefghijk');
    await end(5_000);
    expect(sent.join('')).toBe('abcdefghi');
  });

  test.each([
    ['four times as long as the answer was late', 7_000, 0.5, 8_000],
    ['half of that at least', 7_000, 0, 4_000],
    ['half more at most', 7_000, 1, 12_000],
    ['15 s, however late the answer was', 14_000, 0.5, 15_000],
  ])('is left alone for %s', async (_, took, random, rest) => {
    const { clock, sent, askAll, end } = await inFlight(1, random);
    await end(took);
    await askAll('abcdefgh');
    await clock.advance(rest - 1);
    // Half of eight, minus the resting place.
    expect(sent.join('')).toBe('abc');
    await clock.advance(1);
    expect(sent.join('')).toBe('abcd');
  });

  test('still gets urgent requests at once', async () => {
    const { clock, sent, ask, end } = await inFlight(maxConnections);
    for (let n = 0; n < maxConnections; n += 1) await end(15_000);
    ask('later');
    ask('urgent', 'urgent');
    await clock.turn();
    expect(sent).toEqual(['urgent']);
  });

  test('is asked again after 30 seconds at most, however many requests have failed', async () => {
    const { clock, sent, askAll, end } = await inFlight(maxConnections, 1);
    for (let n = 0; n < maxConnections; n += 1) await end(15_000, n % 2 === 0);
    await askAll('a');
    await clock.advance(22_500);
    expect(sent).toEqual(['a']);
  });
});

test('a failing grid is left alone for four seconds, so that another host can serve in time', async () => {
  const { clock, sent, askAll, end } = await inFlight(maxConnections);
  for (let n = 0; n < maxConnections; n += 1) await end(15_000, true);
  await askAll('a');
  await clock.advance(3_999);
  expect(sent).toEqual([]);
  await clock.advance(1);
  expect(sent).toEqual(['a']);
});

describe('the spare capacity for background requests', () => {
  test('is one request before the first answer, if no other is in flight', async () => {
    const { limit, askAll } = start();
    expect(limit.spare).toBe(1);
    await askAll('a');
    expect(limit.spare).toBe(0);
  });

  test('is what other requests leave free, once the grid answers quickly', async () => {
    const { limit, end } = await inFlight(3);
    await end(1_500);
    expect(limit.spare).toBe(6);
  });

  test('is zero while others wait', async () => {
    const { limit, askAll, end } = await inFlight(maxConnections);
    await askAll('a');
    expect(limit.spare).toBe(0);
    await end(10);
    await end(10);
    expect(limit.spare).toBe(1);
  });

  test('is zero for 30 seconds after a slow answer, and then one request', async () => {
    const { clock, limit, end } = await inFlight(2);
    await end(1_501);
    await clock.advance(20_000);
    // Further slow answers do not prolong that.
    await end(1_501);
    await clock.advance(9_999);
    expect(limit.spare).toBe(0);
    await clock.advance(1);
    expect(limit.spare).toBe(1);
  });

  test('is not reduced by an outage', async () => {
    const { clock, limit, askAll, end } = await inFlight(1);
    await end(15_000, true);
    await clock.advance(4_000);
    await askAll('a');
    await end(10);
    expect(limit.spare).toBe(8);
  });
});
