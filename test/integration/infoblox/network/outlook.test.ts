/** Predicts the next ADD without carrying it out. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { networkMark, pendingNetworkMark } from '../../../../src/infoblox/mark.ts';
import { outlookOf } from '../../../../src/infoblox/network/outlook.ts';
import { networkSpec, type SpecInput } from '../../../../src/infoblox/network/spec.ts';
import type { Session } from '../../../../src/infoblox/wapi/session.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { writes } from '../grid-and-host.ts';
import { gridOver, inTime, openSession } from '../wapi/session-fixture.ts';

let grid: Grid;
let session: Session;

beforeEach(async () => {
  grid = await startGrid();
  session = openSession({ port: grid.port });
});
afterEach(async () => {
  expect(writes(grid)).toEqual([]);
  await session.close(inTime());
  await grid.stop();
});

const usual = { name: 'net-1', view: 'default', containers: '172.18.0.0/16', prefixLength: 24, keepFirst: false };

function outlook(differs: Partial<SpecInput> = {}) {
  const port = gridOver(session);
  const leases = { boundIn: () => [] };
  const host = { cluster: 'c', node: 'n' };
  return outlookOf({ grid: port, leases, host, usedViews: new Set() }, networkSpec({ ...usual, ...differs }), inTime());
}

describe('by subnet', () => {
  const subnet = '10.0.0.0/24';
  test('an existing network is used', async () => {
    grid.add('network', { network: subnet });
    expect(await outlook({ subnet })).toMatchObject({ kind: 'found', cidr: { text: subnet } });
  });
  test('a missing network would be created, even with its view', async () => {
    expect(await outlook({ subnet })).toEqual({ kind: 'absent' });
    expect(await outlook({ subnet, view: 'priv' })).toEqual({ kind: 'absent' });
  });
  test.each([
    [
      'it belongs to another name',
      { network: subnet, comment: networkMark('net-2') },
      /belongs to the network name net-2/,
    ],
    ['it would overlap another one', { network: '10.0.0.0/16' }, /overlaps the network 10\.0\.0\.0\/16/],
    [
      'its name has another network',
      { network: '10.9.0.0/24', comment: networkMark('net-1') },
      /is 10\.9\.0\.0\/24 in/,
    ],
  ])('a network is refused if %s', async (_, network, message) => {
    grid.add('network', network);
    await expect(outlook({ subnet })).rejects.toMatchObject({
      reason: 'network-conflict',
      message: expect.stringMatching(message),
    });
  });
});

describe('by container', () => {
  test('the network of the name is used anywhere in the containers', async () => {
    grid.add('network', { network: '172.18.9.0/24', comment: networkMark('net-1') });
    expect(await outlook()).toMatchObject({ kind: 'found', cidr: { text: '172.18.9.0/24' } });
  });
  test('a network outside the containers is refused', async () => {
    grid.add('network', { network: '10.9.0.0/24', comment: networkMark('net-1') });
    await expect(outlook()).rejects.toMatchObject({ message: expect.stringMatching(/is 10\.9\.0\.0\/24 .* outside/) });
  });
  test('two networks of the name are reported, with the one that would be used', async () => {
    for (const network of ['10.9.0.0/24', '172.18.9.0/24'])
      grid.add('network', { network, comment: networkMark('net-1') });
    expect(await outlook()).toMatchObject({
      kind: 'found',
      cidr: { text: '172.18.9.0/24' },
      duplicate: { message: expect.stringContaining('network net-1 is 10.9.0.0/24 and 172.18.9.0/24') },
    });
  });
  test('a pending network of another host is waited for', async () => {
    grid.add('network', { network: '172.18.0.0/24', comment: pendingNetworkMark('net-1') });
    expect(await outlook()).toEqual({ kind: 'pending' });
  });
  test('a missing network would come from the first container with room, or from one that would be created', async () => {
    expect(await outlook()).toMatchObject({
      kind: 'absent',
      room: { container: { text: '172.18.0.0/16' }, exists: false },
    });
    grid.add('networkcontainer', { network: '172.18.0.0/23' });
    for (const network of ['172.18.0.0/24', '172.18.1.0/24']) grid.add('network', { network });
    grid.add('networkcontainer', { network: '172.19.0.0/16' });
    expect(await outlook({ containers: '172.18.0.0/23,172.19.0.0/16' })).toMatchObject({
      room: { container: { text: '172.19.0.0/16' }, exists: true },
    });
    await expect(outlook({ containers: '172.18.0.0/23' })).rejects.toMatchObject({ reason: 'no-free-network' });
  });
  test('a network in the place of the container is refused', async () => {
    grid.add('network', { network: '172.18.0.0/16' });
    await expect(outlook()).rejects.toMatchObject({ message: expect.stringMatching(/is not a network container/) });
  });
});
