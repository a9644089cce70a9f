import { describe, expect, test } from 'vitest';
import { columnsOf, folded, foldedLines, shortened } from '../../../src/modes/terminal-text.ts';

test.each([
  [{ isTTY: true as boolean, columns: 80 }, 80],
  [{ isTTY: false, columns: 80 }, Number.POSITIVE_INFINITY],
  [{ isTTY: true, columns: 0 }, Number.POSITIVE_INFINITY],
])('a stream that is %j shows %d columns', (stream, columns) => {
  expect(columnsOf(stream)).toBe(columns);
});

test.each([
  ['shop/web-1', 10, 'shop/web-1'],
  ['shop/web-1', 9, 'shop/web…'],
])('%s in %i characters is %s', (text, characters, expected) => {
  expect(shortened(text, characters)).toBe(expected);
});

describe('a text wider than the terminal', () => {
  test('is broken at blanks, and continues below its beginning', () => {
    expect(folded('fix: run make install', 4, 16)).toBe('fix: run\n    make install');
  });

  test('is unchanged without a terminal', () => {
    expect(folded('fix: run make install', 4, Number.POSITIVE_INFINITY)).toBe('fix: run make install');
  });

  test('keeps words whole, however long they are', () => {
    expect(folded('run /usr/local/bin/infoblox-cni-daemon now', 2, 10)).toBe(
      'run\n  /usr/local/bin/infoblox-cni-daemon\n  now',
    );
  });

  test('keeps its lines, each with its own indent', () => {
    expect(foldedLines('  --json\n        Write JSON, for programs\n', 24)).toBe(
      '  --json\n        Write JSON, for\n        programs\n',
    );
  });
});
