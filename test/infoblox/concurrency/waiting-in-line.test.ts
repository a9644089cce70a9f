import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Semaphore } from '../../../src/infoblox/concurrency/semaphore.ts';
import { Turns } from '../../../src/infoblox/turns.ts';

describe('slots', () => {
  const never = new AbortController().signal;

  test('go to those who wait in the order they came', async () => {
    const slots = new Semaphore(2);
    const order: string[] = [];
    const use = async (name: string) => {
      await slots.acquire(never);
      order.push(name);
    };
    const uses = ['a', 'b', 'c', 'd'].map(use);
    await turn();
    expect(order).toEqual(['a', 'b']);
    slots.release();
    await turn();
    expect(order).toEqual(['a', 'b', 'c']);
    slots.release();
    await Promise.all(uses);
    expect(order).toEqual(['a', 'b', 'c', 'd']);
  });

  test('are not given to who has left the line', async () => {
    const slots = new Semaphore(1);
    await slots.acquire(never);
    const impatient = new AbortController();
    const left = slots.acquire(impatient.signal);
    const next = slots.acquire(never);
    impatient.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    slots.release();
    await next;
    slots.release();
    await slots.acquire(never);
  });

  test('are not given to who comes too late', async () => {
    const slots = new Semaphore(1);
    await expect(slots.acquire(AbortSignal.abort(new Error('late')))).rejects.toThrow('late');
    await slots.acquire(never);
  });
});

describe('turns', () => {
  test('of one key come one after another, those of others side by side', async () => {
    const turns = new Turns();
    const log: string[] = [];
    const gate = Promise.withResolvers<void>();
    const first = turns.run('a', async () => {
      await gate.promise;
      log.push('a1');
    });
    const second = turns.run('a', async () => {
      log.push('a2');
    });
    await turns.run('b', async () => {
      log.push('b');
    });
    expect(log).toEqual(['b']);
    expect([turns.busy('a'), turns.busy('b')]).toEqual([true, false]);
    gate.resolve();
    await Promise.all([first, second]);
    expect(log).toEqual(['b', 'a1', 'a2']);
    expect(turns.busy('a')).toBe(false);
  });

  test('go on after a failure, which only its caller sees', async () => {
    const turns = new Turns();
    const failed = turns.run('a', () => Promise.reject(new Error('no')));
    const next = turns.run('a', async () => 'yes');
    await expect(failed).rejects.toThrow('no');
    await expect(next).resolves.toBe('yes');
  });

  test('can be waited out', async () => {
    const turns = new Turns();
    let done = false;
    void turns.run('a', async () => {
      await turn();
      void turns.run('b', async () => {
        await turn();
        done = true;
      });
    });
    await turns.idle();
    expect(done).toBe(true);
  });
});
