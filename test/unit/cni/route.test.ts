import { expect, test } from 'vitest';
import { withNextHops } from '../../../src/cni/result.ts';

test.each([
  ['without a next hop gets the gateway', { dst: '172.18.0.0/24' }, { dst: '172.18.0.0/24', gw: '10.0.0.1' }],
  ['that is the default route, too', { dst: '0.0.0.0/0' }, { dst: '0.0.0.0/0', gw: '10.0.0.1' }],
  ['keeps a next hop of its own', { dst: '172.18.0.0/24', gw: '10.0.0.9' }, { dst: '172.18.0.0/24', gw: '10.0.0.9' }],
  ['keeps its attributes', { dst: '10.0.0.0/8', mtu: 1400 }, { dst: '10.0.0.0/8', mtu: 1400, gw: '10.0.0.1' }],
  [
    'of global scope gets the gateway',
    { dst: '10.0.0.0/8', scope: 0 },
    { dst: '10.0.0.0/8', scope: 0, gw: '10.0.0.1' },
  ],
  ['on the link itself has no next hop', { dst: '10.9.0.0/16', scope: 253 }, { dst: '10.9.0.0/16', scope: 253 }],
  ['of IPv6 gets no IPv4 gateway', { dst: '2001:db8::/48' }, { dst: '2001:db8::/48' }],
])('a route %s', (_what, route, expected) => {
  expect(withNextHops([route], ['10.0.0.1', '10.0.0.2'])).toEqual([expected]);
});

test('routes stay unchanged if the network has no gateway', () => {
  const routes = [{ dst: '172.18.0.0/24' }, { dst: '10.0.0.0/8', gw: '10.0.0.9' }];
  expect(withNextHops(routes, [])).toEqual(routes);
});
