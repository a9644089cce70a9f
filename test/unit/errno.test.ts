import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { errnoOf, isErrno } from '../../src/errno.ts';

function failureOf(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}

const absent = failureOf(() => readFileSync('/nowhere/at-all'));

test('an error of the operating system is recognised by its code', () => {
  expect(errnoOf(absent)).toBe('ENOENT');
  expect(isErrno(absent, 'ENOENT')).toBe(true);
  expect(isErrno(absent, 'EACCES', 'ENOENT')).toBe(true);
  expect(isErrno(absent, 'EACCES')).toBe(false);
});

test.each([
  [new Error('ENOENT')],
  [{ code: 'ENOENT' }],
  ['ENOENT'],
  [undefined],
  [Object.assign(new Error(), { code: 2 })],
])('%j carries no code', (value) => {
  expect(errnoOf(value)).toBeUndefined();
  expect(isErrno(value, 'ENOENT')).toBe(false);
});
