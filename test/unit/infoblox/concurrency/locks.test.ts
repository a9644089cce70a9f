import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { KeyedMutex } from '../../../../src/infoblox/concurrency/locks.ts';

describe('a keyed mutex', () => {
  test('runs actions of one key one after another, and of several keys in parallel', async () => {
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

  test('continues after a failure, which only its caller sees', async () => {
    const mutex = new KeyedMutex();
    const failed = mutex.run('a', () => Promise.reject(new Error('no')));
    const next = mutex.run('a', async () => 'yes');
    await expect(failed).rejects.toThrow('no');
    await expect(next).resolves.toBe('yes');
  });

  test('reports when it is idle', async () => {
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
