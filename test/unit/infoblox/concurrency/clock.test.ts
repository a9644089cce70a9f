import { afterEach, describe, expect, test, vi } from 'vitest';
import { deadline, every, hostClock, pauseBefore, withDeadline } from '../../../../src/infoblox/concurrency/clock.ts';
import { ManualClock } from '../../../fixture/manual-clock.ts';

const never = new AbortController().signal;

test('the event loop gets a turn after every second step', async () => {
  const happened: string[] = [];
  const turn = every(2, hostClock().turn);
  setImmediate(() => happened.push('another'));
  for (const step of ['first', 'second', 'third']) {
    happened.push(step);
    await turn();
  }
  expect(happened).toEqual(['first', 'second', 'another', 'third']);
});

describe('the clock of the host', () => {
  afterEach(() => vi.restoreAllMocks());

  test('starts at the time of the host, and ignores later changes of it', () => {
    const clock = hostClock();
    const [wall, now] = [clock.wall(), clock.now()];
    expect(Math.abs(wall - now)).toBeLessThan(100);
    vi.spyOn(Date, 'now').mockReturnValue(wall - 3_600_000);
    expect(clock.wall()).toBe(wall - 3_600_000);
    expect(clock.now()).toBeGreaterThanOrEqual(now);
    expect(clock.now() - now).toBeLessThan(10_000);
    expect(clock.now()).toSatisfy(Number.isInteger);
  });

  test('calls back once, unless cancelled', async () => {
    const clock = hostClock();
    const happened: string[] = [];
    clock.after(0, () => happened.push('cancelled'))();
    clock.after(1, () => happened.push('called'));
    await clock.sleep(20, never);
    expect(happened).toEqual(['called']);
  });

  test('ends a wait when its signal aborts', async () => {
    const ending = new AbortController();
    const late = new Error('late');
    const [plain, told] = [hostClock().sleep(60_000, ending.signal), hostClock().sleep(60_000, ending.signal, late)];
    ending.abort(new Error('left'));
    await expect(plain).rejects.toThrow('left');
    await expect(told).rejects.toBe(late);
  });
});

describe('a deadline', () => {
  test('aborts its signal when the time is over', async () => {
    const clock = new ManualClock();
    const signal = deadline(clock, 100);
    await clock.advance(99);
    expect(signal.aborted).toBe(false);
    await clock.advance(1);
    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
  });

  test('ends the work, unless another signal does', async () => {
    const clock = new ManualClock();
    const work = (signal: AbortSignal) => clock.sleep(1_000, signal);
    const timed = expect(withDeadline(clock, { milliseconds: 100, signal: never }, work)).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    const left = expect(
      withDeadline(clock, { milliseconds: 100, signal: AbortSignal.abort(new Error('left')) }, work),
    ).rejects.toThrow('left');
    await clock.advance(100);
    await Promise.all([timed, left]);
  });
});

test('pauses double up to the maximum', () => {
  const exact = { firstMs: 100, maxMs: 1_000, spread: 0 };
  expect([0, 1, 2, 3, 4, 2_000].map((attempt) => pauseBefore(attempt, exact, Math.random))).toEqual([
    100, 200, 400, 800, 1_000, 1_000,
  ]);
});

test('each pause varies by a quarter, so that hosts that failed together do not retry together', () => {
  const pauses = Array.from({ length: 1_000 }, () => pauseBefore(0, { firstMs: 1_000, maxMs: 1_000 }, Math.random));
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(750);
  expect(Math.max(...pauses)).toBeLessThanOrEqual(1_250);
  expect(new Set(pauses).size).toBeGreaterThan(100);
});
