import { beforeEach, expect, test } from 'vitest';
import { Conditions } from '../../../src/infoblox/conditions.ts';
import { GridError, type Reason } from '../../../src/infoblox/errors.ts';
import { GridState, gridTrouble } from '../../../src/infoblox/grid-state.ts';

let now: number;
let events: string[];
let conditions: Conditions;
let state: GridState;

beforeEach(() => {
  now = 0;
  events = [];
  conditions = new Conditions({ wall: () => now, now: () => now });
  conditions.subscribe({
    raised: ({ error }) => events.push(error.reason),
    cleared: ({ kind }) => events.push(`no longer ${kind}`),
  });
  state = new GridState(conditions, { now: () => now });
  events.length = 0;
});

const trouble = (reason: Reason) => new GridError(reason, reason);

test('the grid counts as not seen before its first answer', () => {
  expect(gridTrouble(conditions)?.error).toMatchObject({
    message: expect.stringContaining('has not answered yet'),
    hint: expect.stringContaining('--grid-host'),
  });
  state.report(undefined, { writes: false });
  expect(gridTrouble(conditions)).toBeUndefined();
});

test('a first request that fails replaces "not seen" by its reason', () => {
  state.report(trouble('timeout'), { writes: false });
  expect(gridTrouble(conditions)?.kind).toBe('grid-unavailable');
  expect(events).toEqual(['timeout', 'no longer grid-not-seen']);
});

test('success and failure are reported once, until they change', () => {
  for (const reason of [undefined, undefined, 'unreachable', 'unreachable', 'credentials', undefined] as const) {
    state.report(reason === undefined ? undefined : trouble(reason), { writes: false });
  }
  expect(events).toEqual(['no longer grid-not-seen', 'unreachable', 'credentials', 'no longer grid-unavailable']);
  expect(gridTrouble(conditions)).toBeUndefined();
});

test('a success is stale after a minute', () => {
  expect(state.isStale).toBe(true);
  state.report(undefined, { writes: false });
  now = 60_000;
  expect(state.isStale).toBe(false);
  now = 60_001;
  expect(state.isStale).toBe(true);
});

test('an answer that is not from WAPI is neither success nor failure, and makes the state stale', () => {
  state.report(undefined, { writes: false });
  state.report(trouble('not-wapi'), { writes: false });
  expect(state.isStale).toBe(true);
  expect(gridTrouble(conditions)).toBeUndefined();
  state.report(undefined, { writes: false });
  expect(state.isStale).toBe(false);
});

test('a refused write stays a condition despite successful reads, until a write succeeds or a minute has passed', () => {
  state.report(trouble('read-only'), { writes: true });
  state.report(undefined, { writes: false });
  expect(gridTrouble(conditions)?.error.reason).toBe('read-only');
  state.report(undefined, { writes: true });
  expect(gridTrouble(conditions)).toBeUndefined();
  state.report(trouble('licence'), { writes: true });
  now = 60_000;
  expect(gridTrouble(conditions)).toBeUndefined();
});

test('a switch to another host is reported to its listeners', () => {
  let switches = 0;
  state.onSwitch(() => {
    switches += 1;
  });
  state.switched();
  expect(switches).toBe(1);
});
