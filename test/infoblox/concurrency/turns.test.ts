import { expect, test } from 'vitest';
import { turnEvery } from '../../../src/infoblox/concurrency/turns.ts';

test('the event loop turns after every so many steps', async () => {
  const happened: string[] = [];
  const turn = turnEvery(2);
  setImmediate(() => happened.push('another'));
  for (const step of ['first', 'second', 'third']) {
    happened.push(step);
    await turn();
  }
  expect(happened).toEqual(['first', 'second', 'another', 'third']);
});
