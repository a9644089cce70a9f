/**
 * Whatever the grid answers - any status, any body, any type, to any request - each call is answered in its time, the
 * daemon lives, and when the grid talks sense again the invariants hold.
 *
 * Two things are left out, because no client could live with them: well-formed lies (a list without an object that is
 * there), and refusals by 4xx of what has been done all the same.
 */
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { startWorld } from '../../fixture/world.ts';
import type { Effect } from '../../simulator/grid.ts';

/** Milliseconds. */
const budget = 7_000;
const containers = ['c1', 'c2', 'c3', 'c4'] as const;

const bodies = fc.oneof(
  fc.constantFrom(
    '',
    '<html></html>',
    'null',
    '[]',
    '{}',
    '"',
    '{"result": null}',
    '{"result": {}}',
    '{"result": [{}]}',
  ),
  fc.constantFrom(
    '{"Error": "x"}',
    '{"Error": "x", "code": 7, "text": []}',
    '{"result": [{"_ref": 1}], "next_page_id": 2}',
  ),
  fc.json({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 200 }),
);

const answers = fc
  .record({
    status: fc.oneof(
      fc.constantFrom(200, 201, 204, 301, 400, 404, 409, 429, 500, 502, 503, 599),
      fc.integer({ min: 200, max: 599 }),
    ),
    body: bodies,
    contentType: fc.constantFrom('application/json', 'text/html', 'application/octet-stream', ''),
    commit: fc.boolean(),
  })
  // A refused login is tested elsewhere: it silences the daemon for a minute, as it should.
  .filter(({ status }) => status !== 401 && status !== 403)
  .map(({ status, body, contentType, commit }): Effect => {
    const done = commit && (status < 400 || status >= 500);
    return { kind: 'status', status, body, contentType, commit: done };
  });

const action = fc.record({
  container: fc.constantFrom(...containers),
  command: fc.constantFrom('add', 'add', 'del', 'check', 'status', 'gc'),
  faults: fc.array(fc.record({ effect: answers, skip: fc.nat({ max: 2 }) }), { minLength: 1, maxLength: 3 }),
});

async function fuzz(): Promise<void> {
  const world = await startWorld({ flags: ['--add-timeout=2s'] });
  const { caller, grid, ledger } = world;
  const disarm: (() => void)[] = [];
  try {
    for (const container of containers) expect(await caller.add(container)).toBe('ok');
    const property = fc.asyncProperty(action, async ({ container, command, faults }) => {
      for (const fault of faults) disarm.push(grid.inject(fault));
      const outcome = command === 'gc' ? await caller.gc([...containers]) : await caller[command](container);
      expect(outcome).not.toBe('no answer');
      expect(ledger.brokenNow()).toEqual([]);
    });
    const parameters = { numRuns: 100_000, interruptAfterTimeLimit: budget, markInterruptAsFailure: false };
    await fc.assert(property, { ...parameters, endOnFailure: true });
    for (const each of disarm) each();
    await ledger.settled(20_000);
    expect(await caller.add('c5')).toBe('ok');
  } finally {
    await world.end();
  }
}

// The daemon waits between its tries most of the time: several worlds at once find more.
const worlds = [1, 2, 3, 4, 5, 6];
vi.setConfig({ maxConcurrency: worlds.length });
test.concurrent.each(worlds)(
  'any answer to any request: calls end in their time, and the invariants hold afterwards (%i)',
  { timeout: 60_000 },
  fuzz,
);
