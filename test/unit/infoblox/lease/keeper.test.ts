import { expect, test } from 'vitest';
import { parseCidr } from '../../../../src/infoblox/address.ts';
import { seenByAdd } from '../../../../src/infoblox/lease/observe.ts';
import type { ReadyNetwork } from '../../../../src/infoblox/network/networks.ts';

const cidr = parseCidr('10.0.0.0/24');
if (cidr === undefined) throw new Error('no CIDR');
const network: ReadyNetwork = { cidr, view: 'default', kept: '10.0.0.1', blockSize: 0 };
const gateway = 'infoblox-cni gateway of network=net-1';
const host = 'infoblox-cni address of host cluster=cluster-1 node=host-7';
const other = 'infoblox-cni cluster=cluster-1 node=host-7 network=net-1 container=c2 interface=eth0';

test.each([
  ['a free address', { address: '10.0.0.5' }, undefined],
  ['the gateway', { address: '10.0.0.1' }, gateway],
  ['the gateway, on a bridge of this host', { address: '10.0.0.1', isOwn: true }, gateway],
  ['an address of this host', { address: '10.0.0.5', isOwn: true }, host],
  ['an address of this host in another view', { address: '10.0.0.5', isOwn: true, view: 'tenants' }, undefined],
  ['the address of another attachment', { address: '10.0.0.5', owner: other }, other],
  ['one that this host has for another attachment', { address: '10.0.0.5', owner: other, isOwn: true }, other],
] as [string, { address: string; view?: string; owner?: string; isOwn?: boolean }, string | undefined][])(
  'who keeps an address: %s',
  async (_, { isOwn = false, ...object }, owner) => {
    const found = { view: 'default', ...object };
    const origin = { cluster: 'cluster-1', node: 'host-7' };
    const add = { host: { isOwnAddress: async () => isOwn }, origin, network, name: 'net-1' };
    const look = await seenByAdd({ found: [found], askedAt: 0 }, { ...add, requested: undefined, made: undefined });
    expect(look.found).toEqual([{ ...found, owner, fresh: false }]);
  },
);
