import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseCidr } from '../../../../src/infoblox/address.ts';
import { hostClock } from '../../../../src/infoblox/concurrency/clock.ts';
import { Conditions } from '../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../src/infoblox/errors.ts';
import type { Pool } from '../../../../src/infoblox/grid.ts';
import { Exhaustion } from '../../../../src/infoblox/network/exhaustion.ts';
import type { Session } from '../../../../src/infoblox/wapi/session.ts';
import { until } from '../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { gridOver, inTime, openSession } from '../wapi/session-fixture.ts';

let grid: Grid;
let session: Session;
let exhaustion: Exhaustion;
let conditions: Conditions;
let now: number;

beforeEach(async () => {
  now = 0;
  grid = await startGrid();
  session = openSession({ port: grid.port });
  const clock = { ...hostClock(), wall: () => 1_700_000_000_000 + now, now: () => now };
  conditions = new Conditions(clock);
  exhaustion = new Exhaustion(gridOver(session), conditions, clock);
});
afterEach(async () => {
  await session.close(inTime());
  await grid.stop();
});

function network(text: string): Pool {
  grid.add('network', { network: text });
  const cidr = parseCidr(text);
  if (cidr === undefined) throw new Error('no network');
  return { nextOf: cidr, view: 'default' };
}

function fill(...addresses: readonly string[]): void {
  for (const ipv4addr of addresses) {
    grid.add('fixedaddress', { ipv4addr, match_client: 'RESERVED', mac: '00:00:00:00:00:00' });
  }
}

const refusal = new GridError('no-free-address', 'Cannot find 1 available IP address(es) in this network.');
const messageOf = (full: Pool) => exhaustion.found(full, refusal).message;

test('the error names a full network without a further request', () => {
  const full = network('10.0.0.0/30');
  expect(messageOf(full)).toBe('no free address in 10.0.0.0/30 (view default)');
  expect(grid.requests).toHaveLength(0);
});

test('the error keeps the outcome, and has a hint', () => {
  const error = exhaustion.found(network('10.0.0.0/30'), refusal);
  expect(error).toMatchObject({ reason: 'no-free-address', outcome: 'none', cause: refusal });
  expect(error.hint).toContain('DHCP ranges');
});

test('a full network is forgotten when an address of its view is released', () => {
  const full = network('10.0.0.0/30');
  messageOf(full);
  exhaustion.released('other');
  expect(exhaustion.known(full)?.message).toContain('no free address');
  exhaustion.released('default');
  expect(exhaustion.known(full)).toBeUndefined();
});

test('a full network is asked again in the background after ten seconds', async () => {
  const full = network('10.0.0.0/30');
  fill('10.0.0.1', '10.0.0.2');
  messageOf(full);
  grid.clearLog();
  now = 10_001;
  expect(exhaustion.known(full)?.message).toContain('no free address');
  await until('it has looked', () => grid.requests.some(({ status }) => status === 400));
  expect(exhaustion.known(full)?.message).toContain('no free address');
  grid.remove(grid.fixedAddresses()[0]?._ref ?? '');
  now = 20_002;
  exhaustion.known(full);
  await until('it is no longer known as full', () => exhaustion.known(full) === undefined);
  // Two requests: one finds the network, one asks for its room.
  expect(grid.requests).toHaveLength(4);
});

test('a full network is a condition that expires when no ADD asks for it', async () => {
  const full = network('10.0.0.0/30');
  fill('10.0.0.1', '10.0.0.2');
  const message = messageOf(full);
  expect(conditions.all()).toMatchObject([
    { kind: 'network-full', subject: '10.0.0.0/30 (view default)', error: { message }, since: 1_700_000_000_000 },
  ]);
  now = 599_999;
  expect(exhaustion.known(full)?.message).toBe(message);
  await until('it is full still', () => grid.requests.some(({ status }) => status === 400));
  now = 1_199_998;
  await until('that counts anew', () => exhaustion.known(full) !== undefined);
  now = 9_999_999;
  expect(exhaustion.known(full)).toBeUndefined();
  expect(conditions.all()).toEqual([]);
});
