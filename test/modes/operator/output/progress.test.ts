import { describe, expect, test } from 'vitest';
import { barText, progressBar } from '../../../../src/modes/operator/output/progress.ts';

/** A bar on a stream that is, or is no, terminal, and a clock to set. */
function bar(isTTY: boolean) {
  const written: string[] = [];
  const clock = { now: 0 };
  const write = (text: string | Uint8Array) => written.push(String(text)) > 0;
  return { written, clock, bar: progressBar('releasing', { write, isTTY }, () => clock.now) };
}

describe('a progress bar', () => {
  test('is not shown for what is over within a second', () => {
    const { written, clock, bar: shown } = bar(true);
    clock.now = 999;
    shown.show({ done: 9, total: 10 });
    shown.end();
    expect(written).toEqual([]);
  });

  test('is shown after that, in its place, and removed at the end', () => {
    const { written, clock, bar: shown } = bar(true);
    clock.now = 2_000;
    shown.show({ done: 1, total: 4 });
    shown.end();
    expect(written).toEqual([
      '\r\u001b[Kreleasing [########                      ] 1 of 4, about 6s left',
      '\r\u001b[K',
    ]);
  });

  test('is never shown in a pipe', () => {
    const { written, clock, bar: shown } = bar(false);
    clock.now = 60_000;
    shown.show({ done: 1, total: 4 });
    shown.end();
    expect(written).toEqual([]);
  });

  test.each([
    [{ done: 0, total: 4, passed: 1_000 }, 'x [                              ] 0 of 4'],
    [{ done: 4, total: 4, passed: 1_000 }, 'x [##############################] 4 of 4'],
    [{ done: 0, total: 0, passed: 1_000 }, 'x [##############################] 0 of 0'],
  ])('of %j is %s', (progress, text) => {
    expect(barText('x', progress)).toBe(text);
  });
});
