import { expect, test } from 'vitest';
import { byNetworkAndAddress } from '../../../../../src/modes/daemon/operator/leases.ts';

const lease = (network: string, address: string | null) => ({ network, address });

test('leases stand by network, then by address as a number; what has none stays where it is', () => {
  const leases = [lease('web', '10.0.0.10'), lease('web', '10.0.0.9'), lease('batch', '10.1.0.1'), lease('edge', null)];
  expect(leases.toSorted(byNetworkAndAddress)).toEqual([
    lease('batch', '10.1.0.1'),
    lease('edge', null),
    lease('web', '10.0.0.9'),
    lease('web', '10.0.0.10'),
  ]);
});
