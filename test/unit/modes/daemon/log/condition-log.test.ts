import { beforeEach, expect, test } from 'vitest';
import { Conditions } from '../../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import { GridState } from '../../../../../src/infoblox/grid-state.ts';
import type { Fields } from '../../../../../src/infoblox/log.ts';
import { logConditions } from '../../../../../src/modes/daemon/log/log.ts';

const away = new GridError('unreachable', 'cannot reach the grid', { hint: 'check --grid-host' });
const readOnly = new GridError('read-only', 'the grid is read-only');
const full = new GridError('no-free-address', 'no free address in 10.0.0.0/24');

let time: number;
let lines: [string, string, Fields?][];
let conditions: Conditions;
let grid: GridState;

beforeEach(() => {
  time = 0;
  lines = [];
  const write = (level: string) => (message: string, fields?: Fields) => {
    lines.push([level, message, ...(fields === undefined ? [] : [fields])] as [string, string, Fields?]);
  };
  conditions = new Conditions({ wall: () => time, now: () => time });
  logConditions(conditions, { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') });
  grid = new GridState(conditions, { now: () => time });
});

const messages = () => lines.map(([level, message]) => `${level} ${message}`);

test('the first answer of the grid is logged, the wait for it is not', () => {
  expect(lines).toEqual([]);
  grid.report(undefined, { writes: false });
  grid.report(undefined, { writes: false });
  expect(messages()).toEqual(['info grid available']);
});

test('trouble with the grid is logged when it begins and when it ends, with reason, error and hint', () => {
  grid.report(away, { writes: false });
  grid.report(away, { writes: false });
  expect(lines).toEqual([
    ['error', 'grid unavailable', { reason: 'unreachable', error: 'cannot reach the grid', hint: 'check --grid-host' }],
  ]);
  grid.report(undefined, { writes: false });
  expect(messages()).toEqual(['error grid unavailable', 'info grid available']);
});

test('"grid available" is logged when the last condition of the grid has ended', () => {
  grid.report(readOnly, { writes: true });
  grid.report(away, { writes: false });
  grid.report(undefined, { writes: false });
  expect(messages()).toEqual(['error grid refuses writes', 'error grid unavailable']);
  grid.report(undefined, { writes: true });
  expect(messages().at(-1)).toBe('info grid available');
});

test('the end of a condition that lapses is not logged', () => {
  conditions.raise('network-full', full, { subject: '10.0.0.0/24', lapsesAfterMs: 60_000 });
  time = 60_000;
  conditions.find('network-full', '10.0.0.0/24');
  expect(lines.at(-1)).toEqual([
    'info',
    'condition expired',
    { condition: 'network-full', was: 'no free address in 10.0.0.0/24' },
  ]);
});

test('a state that cannot be written is logged, and so is its end', () => {
  conditions.raise('state-not-writable', new GridError('state', 'disk full'), { lapsesAfterMs: 30_000 });
  conditions.clear('state-not-writable');
  expect(messages()).toEqual(['error state not writable', 'info state writable']);
});
