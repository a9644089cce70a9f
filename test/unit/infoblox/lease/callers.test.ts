import fc from 'fast-check';
import { expect, test } from 'vitest';
import { withCallers, withoutCaller } from '../../../../src/infoblox/lease/callers.ts';

test.each([
  ['none and one', '', ['a1'], 'a1'],
  ['one and two others', 'a1', ['b2', 'c3'], 'a1 b2 c3'],
  ['one that is known already', 'a1 b2', ['a1'], 'a1 b2'],
  ['unknown callers', null, ['a1'], null],
])('%s', (_, callers, ids, expected) => {
  expect(withCallers(callers, ids)).toBe(expected);
});

test.each([
  ['the only one leaves none', 'a1', 'a1', ''],
  ['one of two leaves the other', 'a1 b2', 'a1', 'b2'],
  ['a stranger leaves all', 'a1 b2', 'c3', 'a1 b2'],
  ['a part of another ID is a stranger', 'a1b2', 'a1', 'a1b2'],
  ['unknown callers stay unknown', null, 'a1', null],
])('%s', (_, callers, id, expected) => {
  expect(withoutCaller(callers, id)).toBe(expected);
});

test('a caller with an answer is never forgotten, in whatever order callers join and leave', () => {
  const id = fc.constantFrom('a1', 'b2', 'c3', 'd4');
  const step = fc.record({ id, comes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let callers: string | null = '';
      for (const { id: one, comes } of steps) {
        callers = comes ? withCallers(callers, [one]) : withoutCaller(callers, one);
        expect(callers?.split(' ').includes(one)).toBe(comes);
      }
      const last = new Map(steps.map((one) => [one.id, one.comes]));
      const living = [...last].filter(([, comes]) => comes).map(([one]) => one);
      expect(callers === '' ? [] : callers?.split(' ').sort()).toEqual(living.sort());
    }),
  );
});

test('callers beyond the counted number never become "no callers"', () => {
  const ids = Array.from({ length: 17 }, (_, index) => `${index}a`);
  expect(withCallers('', ids)).toBeNull();
});
