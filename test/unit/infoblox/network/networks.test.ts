import { expect, test } from 'vitest';
import { parseCidr } from '../../../../src/infoblox/address.ts';
import { Conditions } from '../../../../src/infoblox/conditions.ts';
import { type Grid, sighting } from '../../../../src/infoblox/grid.ts';
import { Networks } from '../../../../src/infoblox/network/networks.ts';
import { networkSpec } from '../../../../src/infoblox/network/spec.ts';
import { ManualClock } from '../../../fixture/manual-clock.ts';

test('a network is confirmed even if each request takes half a minute', async () => {
  const clock = new ManualClock();
  const cidr = parseCidr('10.0.0.0/24');
  if (cidr === undefined) throw new Error('no CIDR');
  const seen = sighting({ host: 'grid', answeredAt: 0, object: 'the network' });
  const after = async <T>(value: T, signal: AbortSignal) => {
    await clock.sleep(30_000, signal);
    return value;
  };
  const grid = {
    networksNamed: (_: string, __: unknown, signal: AbortSignal) => after([], signal),
    networkAt: (_: unknown, signal: AbortSignal) =>
      after({ cidr, view: 'default', comment: '', names: [], seen }, signal),
  } as Partial<Grid> as Grid;
  const leases = { boundIn: () => [] };
  const log = { info: () => undefined, warn: () => undefined };
  const host = { cluster: 'c', node: 'host-a' };
  const networks = new Networks({
    grid,
    leases,
    host,
    usedViews: new Set(),
    clock,
    random: Math.random,
    conditions: new Conditions(clock),
    log,
  });
  const where = { view: 'default', subnet: cidr.text, containers: '', prefixLength: 24, keepFirst: false };
  const spec = networkSpec({ name: 'net-1', ...where });
  const impatient = new AbortController();
  const first = networks.ensure(spec, impatient.signal);
  impatient.abort();
  await expect(first).rejects.toMatchObject({ reason: 'timeout' });
  await clock.advance(30_000);
  expect(networks.known(spec)).toMatchObject({ cidr });
});
