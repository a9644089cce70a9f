import { expect, test } from 'vitest';
import { Deliveries } from '../../../../src/infoblox/lease/add/deliveries.ts';

test('an attachment was told since a point if an ADD of it was answered after that', () => {
  const deliveries = new Deliveries({} as never);
  deliveries.answering('a');
  const { count } = deliveries;
  deliveries.answering('b');
  deliveries.delivered('a', 'one');
  expect(['a', 'b', 'c'].map((mark) => deliveries.toldSince(mark, count))).toEqual([false, true, false]);
  deliveries.answering('a');
  expect([deliveries.toldSince('a', count), deliveries.told('a')]).toEqual([true, 'one']);
});

test('what has been forgotten since a point counts as told since', () => {
  const deliveries = new Deliveries({} as never);
  const { count } = deliveries;
  for (let n = 0; n <= 10_000; n += 1) deliveries.answering(`a${n}`);
  expect(deliveries.toldSince('a0', count)).toBe(true);
  expect(deliveries.toldSince('a0', deliveries.count)).toBe(false);
});
