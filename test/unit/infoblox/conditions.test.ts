import { describe, expect, test } from 'vitest';
import { Conditions } from '../../../src/infoblox/conditions.ts';
import { GridError } from '../../../src/infoblox/errors.ts';

let time = 0;
const clocks = { wall: () => 1_700_000_000_000 + time, now: () => time };
const away = new GridError('unreachable', 'cannot reach the grid: connection refused');
const late = new GridError('timeout', 'the grid did not answer in time');

function watched(): { conditions: Conditions; events: string[] } {
  time = 0;
  const conditions = new Conditions(clocks);
  const events: string[] = [];
  conditions.subscribe({
    raised: ({ error }) => events.push(`raised ${error.reason}`),
    cleared: ({ error }, end) => events.push(`${end === 'seen' ? 'cleared' : 'lapsed'} ${error.reason}`),
  });
  return { conditions, events };
}

describe('a condition', () => {
  test('lasts until it is cleared, and is reported once', () => {
    const { conditions, events } = watched();
    conditions.raise('grid-unavailable', away);
    time = 86_400_000;
    conditions.raise('grid-unavailable', away);
    expect(conditions.find('grid-unavailable')).toMatchObject({ error: away, since: 1_700_000_000_000 });
    conditions.clear('grid-unavailable');
    conditions.clear('grid-unavailable');
    expect(conditions.all()).toEqual([]);
    expect(events).toEqual(['raised unreachable', 'cleared unreachable']);
  });

  test('continues when its reason changes, and the change is reported', () => {
    const { conditions, events } = watched();
    conditions.raise('grid-unavailable', away);
    time = 1_000;
    conditions.raise('grid-unavailable', late);
    expect(conditions.find('grid-unavailable')?.since).toBe(1_700_000_000_000);
    expect(events).toEqual(['raised unreachable', 'raised timeout']);
  });

  test('lapses after its time, which restarts whenever it is raised', () => {
    const { conditions, events } = watched();
    const full = new GridError('no-free-address', 'no free address in 10.0.0.0/24');
    conditions.raise('network-full', full, { subject: '10.0.0.0/24', lapsesAfterMs: 60_000 });
    time = 59_000;
    conditions.raise('network-full', full, { subject: '10.0.0.0/24', lapsesAfterMs: 60_000 });
    time = 118_999;
    expect(conditions.find('network-full', '10.0.0.0/24')).toBeDefined();
    time = 119_000;
    expect(conditions.find('network-full', '10.0.0.0/24')).toBeUndefined();
    expect(conditions.all()).toEqual([]);
    expect(events).toEqual(['raised no-free-address', 'lapsed no-free-address']);
  });

  test('is forgotten after it lapsed as soon as another one begins', () => {
    const { conditions, events } = watched();
    conditions.raise('network-refused', away, { subject: 'a', lapsesAfterMs: 60_000 });
    time = 60_000;
    conditions.raise('network-refused', late, { subject: 'b', lapsesAfterMs: 60_000 });
    expect(events).toEqual(['raised unreachable', 'lapsed unreachable', 'raised timeout']);
  });

  test('belongs to one network only', () => {
    const { conditions } = watched();
    conditions.raise('network-full', away, { subject: 'a' });
    time = 5;
    conditions.raise('network-full', late, { subject: 'b' });
    conditions.clear('network-full', 'a');
    expect(conditions.all().map(({ subject }) => subject)).toEqual(['b']);
  });
});
