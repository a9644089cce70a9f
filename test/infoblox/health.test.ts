import { beforeEach, expect, test } from 'vitest';
import { GridError, type Reason } from '../../src/infoblox/errors.ts';
import { Health } from '../../src/infoblox/health.ts';

let now: number;
let events: string[];
let health: Health;

beforeEach(() => {
  now = 0;
  events = [];
  health = new Health({ onTrouble: ({ reason }) => events.push(reason), onWell: () => events.push('well') }, () => now);
});

const trouble = (reason: Reason) => new GridError(reason, reason);

test('before the first answer nothing can be promised, though no trouble is known', () => {
  expect(health.trouble).toBeUndefined();
  expect(health.obstacle?.message).toContain('has not answered yet');
  expect(health.obstacle?.hint).toContain('--grid-host');
  health.report(undefined, false);
  expect(health.obstacle).toBeUndefined();
});

test('good news and bad are told once, until they change', () => {
  for (const reason of [undefined, undefined, 'unreachable', 'unreachable', 'credentials', undefined] as const) {
    health.report(reason === undefined ? undefined : trouble(reason), false);
  }
  expect(events).toEqual(['well', 'unreachable', 'credentials', 'well']);
  expect(health.trouble).toBeUndefined();
});

test('good news get old after a minute', () => {
  expect(health.stale).toBe(true);
  health.report(undefined, false);
  now = 60_000;
  expect(health.stale).toBe(false);
  now = 60_001;
  expect(health.stale).toBe(true);
});

test('a refused write stays trouble although reads go well, until a write goes well or a minute has passed', () => {
  health.report(trouble('read-only'), true);
  health.report(undefined, false);
  expect(health.trouble?.reason).toBe('read-only');
  health.report(undefined, true);
  expect(health.trouble).toBeUndefined();
  health.report(trouble('licence'), true);
  now = 60_000;
  expect(health.trouble).toBeUndefined();
});
