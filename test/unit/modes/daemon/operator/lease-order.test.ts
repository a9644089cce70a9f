import { expect, test } from 'vitest';
import { sorted } from '../../../../../src/modes/daemon/operator/leases.ts';

const lease = (network: string, address: string | null) => ({ network, address, mark: `container in ${network}` });

test('leases are sorted by network, then by numeric address, those without an address first', () => {
  const leases = [
    lease('web', '10.0.0.10'),
    lease('web', '10.0.0.9'),
    lease('batch', '10.1.0.1'),
    lease('batch', null),
    lease('web', 'fd00::2'),
    lease('web', '10.0.0.100'),
  ];
  expect(sorted(leases)).toEqual([
    lease('batch', null),
    lease('batch', '10.1.0.1'),
    lease('web', '10.0.0.9'),
    lease('web', '10.0.0.10'),
    lease('web', '10.0.0.100'),
    lease('web', 'fd00::2'),
  ]);
});
