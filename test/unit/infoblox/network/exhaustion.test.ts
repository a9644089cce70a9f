import { beforeEach, expect, test } from 'vitest';
import { parseCidr } from '../../../../src/infoblox/address.ts';
import { Conditions } from '../../../../src/infoblox/conditions.ts';
import { GridError } from '../../../../src/infoblox/errors.ts';
import { Exhaustion } from '../../../../src/infoblox/network/exhaustion.ts';
import { ManualClock } from '../../../fixture/manual-clock.ts';

const full = { nextOf: parseCidr('10.0.0.0/30') ?? expect.fail('no CIDR'), view: 'default' };
const refusal = new GridError('no-free-address', 'Cannot find 1 available IP address(es) in this network.');
const message = 'no free address in 10.0.0.0/30 (view default)';

let clock: ManualClock;
let conditions: Conditions;
let exhaustion: Exhaustion;
/** Whether the grid has a free address, and how often it was asked. */
let hasRoom: boolean;
let requests: number;

beforeEach(() => {
  [hasRoom, requests] = [false, 0];
  clock = new ManualClock();
  conditions = new Conditions(clock);
  const grid = {
    hasRoom: async () => {
      requests += 1;
      return hasRoom;
    },
  };
  exhaustion = new Exhaustion(grid, conditions, clock);
});

test('the error names a full network without a further request, keeps the outcome and has a hint', () => {
  const error = exhaustion.found(full, refusal);
  expect(error).toMatchObject({ reason: 'no-free-address', message, outcome: 'none', cause: refusal });
  expect(error.hint).toContain('DHCP ranges');
  expect(requests).toBe(0);
});

test('a full network is forgotten when an address of its view is released', () => {
  exhaustion.found(full, refusal);
  exhaustion.released('other');
  expect(exhaustion.known(full)?.message).toBe(message);
  exhaustion.released('default');
  expect(exhaustion.known(full)).toBeUndefined();
});

test('a full network is asked again in the background after ten seconds', async () => {
  exhaustion.found(full, refusal);
  await clock.advance(10_001);
  expect(exhaustion.known(full)?.message).toBe(message);
  await clock.advance(10_001);
  expect(exhaustion.known(full)?.message).toBe(message);
  hasRoom = true;
  await clock.advance(10_001);
  exhaustion.known(full);
  await clock.advance(0);
  expect(exhaustion.known(full)).toBeUndefined();
  expect(requests).toBe(3);
});

test('a full network is a condition that expires ten minutes after the grid was asked last', async () => {
  exhaustion.found(full, refusal);
  const condition = { kind: 'network-full', subject: '10.0.0.0/30 (view default)', error: { message } };
  expect(conditions.all()).toMatchObject([condition]);
  await clock.advance(599_999);
  exhaustion.known(full);
  await clock.advance(599_999);
  expect(conditions.all()).toMatchObject([condition]);
  await clock.advance(1);
  expect(exhaustion.known(full)).toBeUndefined();
  expect(conditions.all()).toEqual([]);
});
