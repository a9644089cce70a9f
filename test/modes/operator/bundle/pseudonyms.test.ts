import { describe, expect, test } from 'vitest';
import { Pseudonyms } from '../../../../src/modes/operator/bundle/pseudonyms.ts';

/** Pseudonyms that have learned from these texts. */
function learned(...texts: readonly string[]): Pseudonyms {
  const pseudonyms = new Pseudonyms();
  for (const text of texts) pseudonyms.learnFromText(text);
  return pseudonyms;
}

describe('names are learned', () => {
  test.each([
    ['from JSON', '{\n  "leases": [{ "network": "blue" }]\n}'],
    ['from a line of the journal', '2026-01-07T08:02:27+0000 h daemon[1]: {"level":"info","network":"blue"}'],
    ['from a log in words', '08:02:27 info ADD network=blue view=default'],
    ['from a mark', 'attachment="infoblox-cni cluster=c node=n network=blue container=4f1c interface=eth0"'],
    ['from metrics', 'infoblox_cni_network_addresses{state="used",network="blue"} 3'],
    ['from flags', "DAEMON_FLAGS='--network-view=blue'"],
  ])('%s', (_, text) => {
    expect(learned(text).mask('in blue, Blue and blueish')).toMatch(/^in (network|view)~1, \1~1 and blueish$/);
  });

  test('as parts of the names of files, the longest first', () => {
    const pseudonyms = learned('network=net network=net-1 container=4f1c');
    expect(pseudonyms.mask('/etc/cni/net.d/10-net-1.conflist /run/netns/4f1c')).toBe(
      '/etc/cni/network~1.d/10-network~2.conflist /run/netns/container~1',
    );
  });

  test('with blanks and backslashes, also as JSON writes them', () => {
    const pseudonyms = new Pseudonyms();
    pseudonyms.learnFrom({ user: 'ACME\\jd', label: ['Network team'] });
    expect(pseudonyms.mask('ACME\\jd "ACME\\\\jd" Network team')).toBe('user~1 "user~1" label~1');
  });

  test('of a workload as namespace and pod', () => {
    expect(learned('{"workload":"shop/web-1"}').mask('web-1 of shop')).toBe('pod~1 of namespace~1');
  });

  test('but not those that everybody has', () => {
    expect(learned('view=default user=cni cluster=cluster-1').mask('default cni cluster-1')).toBe(
      'default cni cluster-1',
    );
  });
});

describe('what needs not be learned', () => {
  test.each([
    [
      'addresses keep their networks',
      '10.1.0.0/16 10.1.2.3 10.1.2.4 10.9.2.3',
      'ip~1.1.0.0/16 ip~1.1.1.1 ip~1.1.1.2 ip~1.2.1.1',
    ],
    [
      'and stand in any text',
      'at 10.1.2.3:443, 10.1.2.3. [fd00::1]:443 fd00::1:',
      'at ip~1.1.1.1:443, ip~1.1.1.1. [ipv6~1]:443 ipv6~1:',
    ],
    [
      'but those of every host stay',
      '127.0.0.1 0.0.0.0 255.255.255.0 ::1 ::',
      '127.0.0.1 0.0.0.0 255.255.255.0 ::1 ::',
    ],
    ['hardware addresses', 'AA:bb:cc:00:00:01 00:00:00:00:00:00', 'mac~1 00:00:00:00:00:00'],
    ['hosts with a domain', 'gm.corp.example.com:443 GM.corp.example.com', 'host~1:443 host~1'],
    ['long IDs', `${'4f'.repeat(32)} 8be2f61c-09d7-4f3a-8101-0123456789ab`, 'id~1 id~2'],
    [
      'times, versions and files stay',
      '2026-01-07T08:02:27.822Z 08:02:27 v24.21.0 1.0.0 x.service.d 10.conf infoblox-cni-daemon.service.d',
      '2026-01-07T08:02:27.822Z 08:02:27 v24.21.0 1.0.0 x.service.d 10.conf infoblox-cni-daemon.service.d',
    ],
  ])('%s', (_, text, expected) => {
    expect(new Pseudonyms().mask(text)).toBe(expected);
  });
});

test('a pseudonym is the same in all texts', () => {
  const pseudonyms = learned('container=4f1c pod=web', 'container=77ab');
  expect([pseudonyms.mask('77ab 10.0.0.7'), pseudonyms.mask('{"container":"77ab","address":"10.0.0.7"}')]).toEqual([
    'container~2 ip~1.0.0.1',
    '{"container":"container~2","address":"ip~1.0.0.1"}',
  ]);
});

test('ten thousand names in a megabyte take no longer than a moment', () => {
  const pseudonyms = learned(Array.from({ length: 10_000 }, (_, each) => `container=id-${each}x`).join('\n'));
  const text = 'some-text of id-77x and 10.0.0.1 '.repeat(30_000);
  const began = performance.now();
  expect(pseudonyms.mask(text)).not.toContain('id-77x');
  expect(performance.now() - began).toBeLessThan(5_000);
});
