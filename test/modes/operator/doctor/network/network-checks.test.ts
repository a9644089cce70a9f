import { expect, test } from 'vitest';
import { nameOf } from '../../../../../src/modes/operator/doctor/network/network-checks.ts';

const of = (file: string, name: string) => ({ file, spec: { name } });

test('what is found of networks that share a name is told apart by the file', () => {
  const all = [of('a.conf', 'net-1'), of('b.conf', 'net-1'), of('c.conf', 'net-2')];
  expect(all.map((one) => nameOf(one, all))).toEqual(['net-1 of a.conf', 'net-1 of b.conf', 'net-2']);
});
