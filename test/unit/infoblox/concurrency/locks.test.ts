import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { KeyedMutex, Semaphore } from '../../../../src/infoblox/concurrency/locks.ts';

describe('a keyed mutex', () => {
  test('runs actions of one key one after another, those of others side by side', async () => {
    const mutex = new KeyedMutex();
    const log: string[] = [];
    const gate = Promise.withResolvers<void>();
    const first = mutex.run('a', async () => {
      await gate.promise;
      log.push('a1');
    });
    const second = mutex.run('a', async () => {
      log.push('a2');
    });
    await mutex.run('b', async () => {
      log.push('b');
    });
    expect(log).toEqual(['b']);
    expect([mutex.busy('a'), mutex.busy('b')]).toEqual([true, false]);
    gate.resolve();
    await Promise.all([first, second]);
    expect(log).toEqual(['b', 'a1', 'a2']);
    expect(mutex.busy('a')).toBe(false);
  });

  test('goes on after a failure, which only its caller sees', async () => {
    const mutex = new KeyedMutex();
    const failed = mutex.run('a', () => Promise.reject(new Error('no')));
    const next = mutex.run('a', async () => 'yes');
    await expect(failed).rejects.toThrow('no');
    await expect(next).resolves.toBe('yes');
  });

  test('can be waited for until it is idle', async () => {
    const mutex = new KeyedMutex();
    let done = false;
    void mutex.run('a', async () => {
      await turn();
      void mutex.run('b', async () => {
        await turn();
        done = true;
      });
    });
    await mutex.idle();
    expect(done).toBe(true);
  });
});

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
