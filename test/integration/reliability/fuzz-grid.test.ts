/**
 * The grid answers any request with any status, body and type. Each call is answered in its time, the daemon survives, and
 * the invariants hold when the grid gives valid answers again.
 *
 * Two faults are left out, because no client could survive them: well-formed lies (a list without an existing object), and
 * 4xx refusals of writes that were carried out.
 */
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { until } from '../../fixture/host.ts';
import { startWorld } from '../../fixture/world.ts';
import type { Effect } from '../../simulator/grid.ts';

/** Duration of the test in milliseconds. */
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
  // A refused login is tested elsewhere, as it makes the daemon pause for a minute.
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
    await ledger.settled();
    // The daemon sends less for up to 6 s after an answer that failed; its runtime tries an ADD again.
    await until('an ADD succeeds', async () => (await caller.add('c5')) === 'ok');
  } finally {
    await world.end();
  }
}

// The daemon mostly waits between retries, so several worlds at once find more.
const worlds = [1, 2, 3, 4, 5, 6];
vi.setConfig({ maxConcurrency: worlds.length });
test.concurrent.each(worlds)(
  'with any answer to any request calls end in their time, and the invariants hold afterwards (%i)',
  fuzz,
);
