import { expect, test } from 'vitest';
import { Answers } from '../../../../src/infoblox/lease/callers.ts';

test('an attachment was answered since a point if one of its ADDs was answered after that', () => {
  const answers = new Answers();
  answers.answering('a');
  const { count } = answers;
  answers.answering('b');
  expect(['a', 'b', 'c'].map((mark) => answers.toldSince(mark, count))).toEqual([false, true, false]);
  answers.answering('a');
  expect(answers.toldSince('a', count)).toBe(true);
});

test('an attachment that was forgotten since a point counts as answered since', () => {
  const answers = new Answers();
  const { count } = answers;
  for (let n = 0; n <= 10_000; n += 1) answers.answering(`a${n}`);
  expect(answers.toldSince('a0', count)).toBe(true);
  expect(answers.toldSince('a0', answers.count)).toBe(false);
});
