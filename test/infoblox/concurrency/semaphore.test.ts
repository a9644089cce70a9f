import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Semaphore } from '../../../src/infoblox/concurrency/semaphore.ts';

describe('a semaphore', () => {
  const never = new AbortController().signal;

  test('lets those go on who wait, in the order they came', async () => {
    const semaphore = new Semaphore(2);
    const order: string[] = [];
    const use = async (name: string) => {
      await semaphore.acquire(never);
      order.push(name);
    };
    const uses = ['a', 'b', 'c', 'd'].map(use);
    await turn();
    expect(order).toEqual(['a', 'b']);
    semaphore.release();
    await turn();
    expect(order).toEqual(['a', 'b', 'c']);
    semaphore.release();
    await Promise.all(uses);
    expect(order).toEqual(['a', 'b', 'c', 'd']);
  });

  test('lets those go on first whose need is urgent', async () => {
    const semaphore = new Semaphore(1);
    await semaphore.acquire(never);
    const order: string[] = [];
    const waiting = [
      semaphore.acquire(never).then(() => order.push('first')),
      semaphore.acquire(never, 'urgent').then(() => order.push('urgent')),
    ];
    expect(semaphore.waiting).toBe(2);
    for (const _ of waiting) {
      semaphore.release();
      await turn();
    }
    expect(order).toEqual(['urgent', 'first']);
  });

  test('gives none to whoever has left the line', async () => {
    const semaphore = new Semaphore(1);
    await semaphore.acquire(never);
    const impatient = new AbortController();
    const left = semaphore.acquire(impatient.signal);
    const next = semaphore.acquire(never);
    impatient.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    semaphore.release();
    await next;
    semaphore.release();
    await semaphore.acquire(never);
  });

  test('gives none to whoever comes too late', async () => {
    const semaphore = new Semaphore(1);
    await expect(semaphore.acquire(AbortSignal.abort(new Error('late')))).rejects.toThrow('late');
    await semaphore.acquire(never);
  });
});
