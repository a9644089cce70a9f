import { fstatSync } from 'node:fs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLog, isJournal } from '../../../../../src/modes/daemon/log/log.ts';

let written: string;

beforeEach(() => {
  written = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    written += String(chunk);
    return true;
  });
  vi.spyOn(process.stdout, 'write').mockImplementation(() => {
    throw new Error('the log writes to stdout');
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

test('JSON has one object on each line, with the time, the level, the message and the fields', () => {
  const log = createLog('info', 'json');
  log.info('ADD: 10.0.0.2/24', { container: 'c1', milliseconds: 7 });
  log.error('two\nlines');
  const lines = written.trimEnd().split('\n');
  expect(lines).toHaveLength(2);
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    ...{ time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/), level: 'info', message: 'ADD: 10.0.0.2/24' },
    ...{ container: 'c1', milliseconds: 7 },
  });
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({ level: 'error', message: 'two\nlines' });
});

const forged = 'end\n2026-01-01T00:00:00.000Z error forged';
const commands = '\u001b]0;title\u0007\u001b[31m\u009b2J';
const reordered = 'a\u202egnp\u2066\u200f.\u2028b\u{e0041}';

test('text has one line for each message, whatever names and texts of the grid contain', () => {
  createLog('info', 'text').info(`ADD failed: ${forged}${commands}`, {
    grid: `${reordered}${forged}`,
    list: [commands],
  });
  expect(written.match(/\n/g)).toHaveLength(1);
  expect(written).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+\n$/u);
  expect(written).toContain('end\\n2026-01-01T00:00:00.000Z error forged\\u001b]0;title\\u0007');
  expect(written).toContain('grid: a\\u202egnp\\u2066\\u200f.\\u2028b\\udb40\\udc41');
});

test('JSON contains no terminal control characters, and parses to what was logged', () => {
  createLog('info', 'json').info(`${forged}${commands}${reordered}`);
  expect(written).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+\n$/u);
  expect(JSON.parse(written).message).toBe(`${forged}${commands}${reordered}`);
});

test('text begins with the time and the level', () => {
  createLog('info', 'text').error('grid unavailable');
  expect(written).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z error grid unavailable\n$/);
});

test.each(['text', 'json'] as const)('each line of %s carries its priority for the journal', (format) => {
  const log = createLog('debug', format, true);
  for (const level of ['error', 'warn', 'info', 'debug'] as const) log[level](level);
  const prefixes = written.split('\n').map((line) => line.slice(0, 3));
  expect(prefixes).toEqual(['<3>', '<4>', '<6>', '<7>', '']);
});

test('only the stream that systemd names is the journal', () => {
  const { dev, ino } = fstatSync(2, { bigint: true });
  expect(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` })).toBe(true);
  expect(isJournal({ JOURNAL_STREAM: `${dev}:${ino + 1n}` })).toBe(false);
  expect(isJournal({})).toBe(false);
  expect(isJournal({ JOURNAL_STREAM: `${dev}:${ino}` }, 9999)).toBe(false);
});

test('text has the message and the fields in words', () => {
  createLog('info', 'text').warn('release failed', { attachment: 'a b', attempts: 3 });
  expect(written).toContain('release failed (attachment: a b, attempts: 3)');
  expect(() => JSON.parse(written)).toThrow();
});

test.each([
  ['error', ['error']],
  ['warn', ['error', 'warn']],
  ['info', ['error', 'warn', 'info']],
  ['debug', ['error', 'warn', 'info', 'debug']],
] as const)('level %s shows %j', (level, shown) => {
  const log = createLog(level, 'json');
  for (const one of ['error', 'warn', 'info', 'debug'] as const) log[one](one);
  const levels = written
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).level);
  expect(levels).toEqual(shown);
});

test('a repeated message is logged each time', () => {
  const log = createLog('info', 'json');
  for (let n = 0; n < 20; n += 1) log.info('same');
  expect(written.trimEnd().split('\n')).toHaveLength(20);
});
