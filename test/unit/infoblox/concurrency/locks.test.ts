import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { KeyedMutex, type SharedWork, SingleFlight } from '../../../../src/infoblox/concurrency/locks.ts';

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

/** Work that ends when the test says so. */
function gated() {
  const gate = Promise.withResolvers<string>();
  const signals: AbortSignal[] = [];
  const work = ({ signal }: SharedWork) => {
    signals.push(signal);
    return gate.promise;
  };
  return { gate, signals, work };
}

describe('concurrent calls', () => {
  test('for one key and variant share the work and its result', async () => {
    const singleFlight = new SingleFlight<string>();
    const { gate, signals, work } = gated();
    const shares = [
      singleFlight.join('c1', { variant: 'a', caller: 'x' }, work),
      singleFlight.join('c1', { variant: 'a', caller: 'x' }, work),
    ];
    gate.resolve('10.0.0.2');
    expect(await Promise.all(shares.map(({ result }) => result))).toEqual(['10.0.0.2', '10.0.0.2']);
    expect(signals).toHaveLength(1);
    expect(singleFlight.underWay('c1')).toBe(false);
  });

  test.each([
    ['another key', 'c2', 'a'],
    ['another variant', 'c1', 'b'],
  ])('for %s share nothing', (_, key, variant) => {
    const singleFlight = new SingleFlight<string>();
    const { signals, work } = gated();
    singleFlight.join('c1', { variant: 'a', caller: 'x' }, work);
    singleFlight.join(key, { variant, caller: 'x' }, work);
    expect(signals).toHaveLength(2);
  });
});

describe('the work', () => {
  test('is aborted when its last caller leaves, and not earlier', () => {
    const singleFlight = new SingleFlight<string>();
    const { signals, work } = gated();
    const shares = [
      singleFlight.join('c1', { variant: 'a', caller: 'x' }, work),
      singleFlight.join('c1', { variant: 'a', caller: 'x' }, work),
    ];
    shares[0]?.leave();
    expect(signals[0]?.aborted).toBe(false);
    shares[1]?.leave();
    expect(signals[0]?.aborted).toBe(true);
  });

  test('cannot be joined once it is aborted', () => {
    const singleFlight = new SingleFlight<string>();
    const { signals, work } = gated();
    singleFlight.join('c1', { variant: 'a', caller: 'x' }, work);
    singleFlight.abort('c1', new Error('deleted'));
    singleFlight.join('c1', { variant: 'a', caller: 'x' }, work);
    expect(signals.map(({ aborted, reason }) => aborted && reason.message)).toEqual(['deleted', false]);
  });

  test('is aborted in all variants at once', () => {
    const singleFlight = new SingleFlight<string>();
    const { signals, work } = gated();
    for (const variant of ['a', 'b']) singleFlight.join('c1', { variant, caller: 'x' }, work).result.catch(() => {});
    singleFlight.abort('c1', new Error('deleted'));
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
  });

  test('is forgotten when it fails, and the next call starts again', async () => {
    const singleFlight = new SingleFlight<string>();
    const { gate, work, signals } = gated();
    const { result } = singleFlight.join('c1', { variant: 'a', caller: 'x' }, work);
    gate.reject(new Error('no'));
    await expect(result).rejects.toThrow('no');
    singleFlight.join('c1', { variant: 'a', caller: 'x' }, work).result.catch(() => {});
    expect(signals).toHaveLength(2);
  });

  test('cannot be joined once it is closed, and keeps its earlier callers', async () => {
    const singleFlight = new SingleFlight<string>();
    const { gate } = gated();
    const seen: (string | undefined)[][] = [];
    const work = async (entry: SharedWork) => {
      await gate.promise;
      entry.close();
      seen.push([...entry.callers]);
      return 'done';
    };
    const joined = ['x', 'y'].map((caller) => singleFlight.join('c1', { variant: 'a', caller }, work).result);
    gate.resolve('');
    await Promise.all(joined);
    expect(seen).toEqual([['x', 'y']]);
  });
});
