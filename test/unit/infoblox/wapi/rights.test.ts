import { expect, test } from 'vitest';
import { GridError } from '../../../../src/infoblox/errors.ts';
import type { Request } from '../../../../src/infoblox/wapi/request.ts';
import { refusedRight } from '../../../../src/infoblox/wapi/rights.ts';

const view = { network_view: 'blue' };
const long = (_object_parameters: object) => ({ _object_function: 'next_available_ip', _object_parameters });

test.each<[Request, string, string | undefined]>([
  [
    { method: 'POST', path: 'network', body: { network: '172.18.7.0/24', ...view } },
    'create network 172.18.7.0/24 in view blue',
    '"All IPv4 Networks" (Read/Write)',
  ],
  [
    { method: 'POST', path: 'network', body: { network: 'func:nextavailablenetwork:172.18.0.0/16,blue,24', ...view } },
    'create network from 172.18.0.0/16 in view blue',
    '"All IPv4 Networks" (Read/Write)',
  ],
  [
    { method: 'POST', path: 'ipv6networkcontainer', body: { network: '2001:db8::/32', ...view } },
    'create network container 2001:db8::/32 in view blue',
    '"All IPv6 Networks" (Read/Write)',
  ],
  [
    { method: 'POST', path: 'networkview', body: { name: 'blue' } },
    'create network view blue',
    '"All Network Views" (Read/Write)',
  ],
  [
    { method: 'POST', path: 'fixedaddress', body: { ipv4addr: long({ network: '10.0.0.0/24', ...view }), ...view } },
    'create reservation from 10.0.0.0/24 in view blue',
    '"All IPv4 Fixed Addresses/Reservations" (Read/Write)',
  ],
  [
    { method: 'POST', path: 'ipv6fixedaddress', body: { ipv6addr: long({ start_addr: '::1', end_addr: '::9' }) } },
    'create reservation from ::1-::9',
    '"All IPv6 Fixed Addresses/Reservations" (Read/Write)',
  ],
  [
    { method: 'DELETE', path: 'fixedaddress/ZG5z:10.0.0.5/blue' },
    'delete reservation 10.0.0.5 in view blue',
    '"All IPv4 Fixed Addresses/Reservations" (Read/Write)',
  ],
  [
    {
      method: 'POST',
      path: 'range',
      body: { start_addr: '10.0.0.8', end_addr: '10.0.0.15', network: '10.0.0.0/24', ...view },
    },
    'create range 10.0.0.8-10.0.0.15 in view blue',
    '"All IPv4 DHCP Ranges" (Read/Write)',
  ],
  [
    { method: 'PUT', path: 'range/ZG5z:10.0.0.8/10.0.0.15/blue', body: { comment: 'x' } },
    'change range 10.0.0.8/10.0.0.15 in view blue',
    '"All IPv4 DHCP Ranges" (Read/Write)',
  ],
  [
    { method: 'GET', path: 'ipv4address', query: { ip_address: '10.0.0.5', ...view } },
    'read use of address 10.0.0.5 in view blue',
    '"All IPv4 Networks" (Read-Only)',
  ],
  [
    { method: 'POST', path: 'network/ZG5z:10.0.0.0/24/blue', query: { _function: 'next_available_ip' } },
    'read network 10.0.0.0/24 in view blue',
    '"All IPv4 Networks" (Read-Only)',
  ],
  [{ method: 'GET', path: 'member:license' }, 'read member:license', undefined],
])(
  'the error for a refused request names the missing right and its permission: $0.method $0.path',
  (request, what, permission) => {
    const said = new GridError('permission', `${request.method} x: You have no permission`, { hint: 'ask' });
    const { reason, message, hint } = refusedRight(said, request, 'cni');
    expect({ reason, message }).toEqual({
      reason: 'permission',
      message: expect.stringMatching(/^user "cni" may not .*: .*You have no permission$/),
    });
    expect(message).toContain(`user "cni" may not ${what}: `);
    if (permission === undefined) expect(hint).toBe('ask');
    else expect(hint).toContain(`give its role on the grid the permission ${permission}`);
  },
);

test('the error names the user of the client certificate', () => {
  const error = refusedRight(new GridError('permission', 'GET network: no'), { method: 'GET', path: 'network' }, '');
  expect(error.message).toBe('the user of the client certificate may not read network: no');
});
