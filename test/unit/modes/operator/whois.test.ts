import { expect, test } from 'vitest';
import { whoisText } from '../../../../src/modes/operator/commands/whois.ts';
import { aLeaseRecord, now } from '../../../fixture/a-status.ts';

const lease = aLeaseRecord({ address: '10.0.0.2', containerId: 'c1', workload: 'c1' });
const nothing = { leases: [], holders: [], uses: [], last: [], notes: [], hasGridAnswered: true };
const away = { ...nothing, hasGridAnswered: false, notes: ['the contents of the grid are unknown: no answer'] };

test('a lease that the grid does not show is marked so, if the grid has answered', () => {
  expect(whoisText('10.0.0.2', { ...nothing, leases: [lease] }, now)).toContain('the grid shows no such');
  const text = whoisText('10.0.0.2', { ...away, leases: [lease] }, now);
  expect(text).toMatch(
    /^10\.0\.0\.2 in network .*container c1, .*\nthe contents of the grid are unknown: no answer\n$/s,
  );
  expect(text).not.toContain('the grid shows');
});

test('an unknown name is reported with the sources that were asked', () => {
  expect(whoisText('web-9', nothing, now)).toBe('neither this host nor the grid knows web-9\n');
  expect(whoisText('web-9', away, now)).toBe(
    'this host does not know web-9\nthe contents of the grid are unknown: no answer\n',
  );
});
