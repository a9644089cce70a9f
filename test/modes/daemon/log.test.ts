import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLog } from '../../../src/modes/daemon/log.ts';

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

test('JSON is one object a line, with the time, the level, the message and the details', () => {
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

test('text has the message and the details in words', () => {
  createLog('info', 'text').warn('release owed', { attachment: 'a b', attempts: 3 });
  expect(written).toContain('release owed (attachment: a b, attempts: 3)');
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

test('a message that is repeated is shown each time', () => {
  const log = createLog('info', 'json');
  for (let n = 0; n < 20; n += 1) log.info('same');
  expect(written.trimEnd().split('\n')).toHaveLength(20);
});
