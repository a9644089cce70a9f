import { afterEach, beforeEach, expect, test } from 'vitest';
import { GridInspection, readTypes } from '../../../../src/infoblox/wapi/inspection.ts';
import type { Session } from '../../../../src/infoblox/wapi/session.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { inTime, openSession } from './session-fixture.ts';

let grid: Grid;
let session: Session;
let inspection: GridInspection;

beforeEach(async () => {
  grid = await startGrid({ versions: ['2.3', '2.5'] });
  session = openSession({ port: grid.port });
  inspection = new GridInspection(session);
});
afterEach(async () => {
  await session.close(inTime());
  await grid.stop();
});

test('a grid names its versions and its licences', async () => {
  expect(await inspection.versions(inTime())).toEqual(['2.3', '2.5']);
  const licenses = await inspection.licenses(inTime());
  expect(licenses).toContainEqual({ type: 'DHCP', status: 'PERMANENT' });
});

test('a user may see some objects of a type, none, or is refused', async () => {
  expect(await inspection.sees('networkview', inTime())).toBe(true);
  expect(await inspection.sees('network', inTime())).toBe(false);
  grid.denied.add('network');
  await expect(inspection.sees('network', inTime())).rejects.toMatchObject({ reason: 'permission' });
});

test('only the requested address families are read', async () => {
  expect(readTypes([4]).filter((type) => type.startsWith('ipv6'))).toEqual([]);
  const types = readTypes([4, 6]);
  expect(types).toEqual(expect.arrayContaining(['fixedaddress', 'ipv6network', 'ipv6fixedaddress', 'ipv6range']));
  for (const type of types) await inspection.sees(type, inTime());
  grid.add('ipv6network', { network: 'fd00:18:1::/64' });
  expect(await inspection.seesUse('fd00:18:1::1', 'default', inTime())).toBe(true);
  expect(await inspection.seesUse('10.0.0.1', 'default', inTime())).toBe(false);
});
