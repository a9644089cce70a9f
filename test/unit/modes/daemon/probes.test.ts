import { expect, test } from 'vitest';
import { type ConditionKind, Conditions } from '../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../src/infoblox/errors.ts';
import { probeHandler, probePages } from '../../../../src/modes/daemon/probes.ts';

/** What each path answers while one condition stands. */
const rows: readonly (readonly [ConditionKind | 'nothing', Readonly<Record<string, number>>])[] = [
  ['nothing', { '/livez': 200, '/readyz': 200, '/health': 200 }],
  ['grid-not-seen', { '/livez': 200, '/readyz': 503, '/health': 503 }],
  ['grid-unavailable', { '/livez': 200, '/readyz': 503, '/health': 503 }],
  ['grid-read-only', { '/livez': 200, '/readyz': 503, '/health': 503 }],
  ['state-not-writable', { '/livez': 200, '/readyz': 503, '/health': 200 }],
  // These conditions block an address, not a container.
  ['releases-refused', { '/livez': 200, '/readyz': 200, '/health': 200 }],
  ['import-incomplete', { '/livez': 200, '/readyz': 200, '/health': 200 }],
  // These conditions block one network, not the host.
  ['network-refused', { '/livez': 200, '/readyz': 200, '/health': 200 }],
  ['network-duplicate', { '/livez': 200, '/readyz': 200, '/health': 200 }],
  ['network-full', { '/livez': 200, '/readyz': 200, '/health': 200 }],
];

test.each(rows)('while there is %s, HTTP and the socket answer probes alike', async (kind, expected) => {
  const conditions = new Conditions();
  if (kind !== 'nothing') conditions.raise(kind, new GridError('timeout', 'what: why', { hint: 'fix' }));
  for (const [path, page] of Object.entries(probePages(conditions, undefined))) {
    const { status = 200, text } = await page('');
    expect({ path, status }).toEqual({ path, status: expected[path] });
    expect(text).toBe(status === 200 ? 'ok\n' : 'what: why\n');
  }
  const caller = { gone: AbortSignal.abort(), stopping: AbortSignal.abort(), tell: () => undefined };
  const { result } = await probeHandler(conditions).run({}, caller);
  expect(result.notReady).toEqual(expected['/readyz'] === 200 ? null : { message: 'what: why', hint: 'fix' });
});
