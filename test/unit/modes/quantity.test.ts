import { expect, test } from 'vitest';
import { ago, parseDuration } from '../../../src/modes/quantity.ts';

test.each([
  [0, '0s'],
  [-5_000, '0s'],
  [999, '0s'],
  [59_999, '59s'],
  [60_000, '1m'],
  [7_199_999, '1h'],
  [86_400_000 * 3, '3d'],
])('%i ms ago is written %s', (passed, text) => {
  expect(ago(1_700_000_000_000 - passed, 1_700_000_000_000)).toBe(text);
});

test.each([
  ['0', 0],
  ['0s', 0],
  ['500ms', 500],
  ['1.5s', 1_500],
  ['0.4ms', 0],
  ['10m', 600_000],
  ['30d', 2_592_000_000],
  ['30', undefined],
  ['-1s', undefined],
  ['1w', undefined],
  ['', undefined],
])('%j is read as %s ms', (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});
