import { describe, expect, test } from 'vitest';
import { progressBar, progressText, whatToDo } from '../../../../../src/modes/operator/output/terminal.ts';

/** Makes a bar on a stream that is a terminal or not, with a manual clock. */
function bar(isTTY: boolean, columns = 80) {
  const written: string[] = [];
  const clock = { now: 0 };
  const write = (text: string | Uint8Array) => written.push(String(text)) > 0;
  return { written, clock, bar: progressBar('releasing', { write, isTTY, columns }, () => clock.now) };
}

describe('a progress bar', () => {
  test('is not shown for work that takes less than a second', () => {
    const { written, clock, bar: shown } = bar(true);
    clock.now = 999;
    shown.show({ done: 9, total: 10 });
    shown.end();
    expect(written).toEqual([]);
  });

  test('is shown after a second, updated in place, and removed at the end', () => {
    const { written, clock, bar: shown } = bar(true);
    clock.now = 2_000;
    shown.show({ done: 1, total: 4 });
    shown.end();
    expect(written).toEqual(['\r\u001b[Kreleasing 1 of 4 [########                      ]', '\r\u001b[K']);
  });

  test('is never shown in a pipe', () => {
    const { written, clock, bar: shown } = bar(false);
    clock.now = 60_000;
    shown.show({ done: 1, total: 4 });
    shown.end();
    expect(written).toEqual([]);
  });

  test.each([
    [{ done: 0, total: 4 }, 'x 0 of 4 [                              ]'],
    [{ done: 4, total: 4 }, 'x 4 of 4 [##############################]'],
    [{ done: 0, total: 0 }, 'x 0 of 0 [##############################]'],
  ])('of %j is %s', (progress, text) => {
    expect(progressText('x', { progress, passed: 1_000, columns: 79 })).toBe(text);
  });

  test('shows the elapsed time if the amount of work is unknown', () => {
    expect(progressText('asking the grid', { progress: undefined, passed: 7_400, columns: 79 })).toBe(
      'asking the grid, for 7s',
    );
  });

  test.each([
    [60, 'releasing 452 of 2000 [#######                       ]'],
    [30, 'releasing 452 of 2000 [######…'],
    [12, 'releasing 4…'],
  ])('in %i columns is %s', (columns, text) => {
    expect(progressText('releasing', { progress: { done: 452, total: 2_000 }, passed: 10_000, columns })).toBe(text);
  });

  test('leaves room on its line for the ^C that a terminal echoes', () => {
    const { written, clock, bar: shown } = bar(true, 42);
    clock.now = 2_000;
    shown.show({ done: 1, total: 4 });
    expect(written).toEqual([`\r\u001b[Kreleasing 1 of 4 [########            …`]);
  });
});

test.each([
  ['cannot reach grid-1: refused', 'check --grid-host', 'cannot reach grid-1: refused. Check --grid-host.'],
  ['unknown key subnett; did you mean subnet?', 'Correct it.', 'unknown key subnett; did you mean subnet? Correct it.'],
  [
    '10.0.0.5/24 has host bits set',
    'did you mean 10.0.0.0/24?',
    '10.0.0.5/24 has host bits set. Did you mean 10.0.0.0/24?',
  ],
  ['is no JSON', undefined, 'is no JSON'],
  ['pod \u001b[31m', 'see\nbelow', 'pod \\u001b[31m. See\\nbelow.'],
])('%j and %j are one line: %s', (message, hint, line) => {
  expect(whatToDo(message, hint)).toBe(line);
});
