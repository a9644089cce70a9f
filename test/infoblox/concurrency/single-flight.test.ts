import { describe, expect, test } from 'vitest';
import { type Flight, SingleFlight } from '../../../src/infoblox/concurrency/single-flight.ts';

/** Work that ends when told to. */
function gated() {
  const gate = Promise.withResolvers<string>();
  const signals: AbortSignal[] = [];
  const work = ({ signal }: Flight) => {
    signals.push(signal);
    return gate.promise;
  };
  return { gate, signals, work };
}

describe('concurrent calls', () => {
  test('for one key and variant share the work and its result', async () => {
    const flights = new SingleFlight<string>();
    const { gate, signals, work } = gated();
    const shares = [
      flights.join('c1', { variant: 'a', caller: 'x' }, work),
      flights.join('c1', { variant: 'a', caller: 'x' }, work),
    ];
    gate.resolve('10.0.0.2');
    expect(await Promise.all(shares.map(({ result }) => result))).toEqual(['10.0.0.2', '10.0.0.2']);
    expect(signals).toHaveLength(1);
    expect(flights.underWay('c1')).toBe(false);
  });

  test.each([
    ['another key', 'c2', 'a'],
    ['another variant', 'c1', 'b'],
  ])('for %s do not', (_, key, variant) => {
    const flights = new SingleFlight<string>();
    const { signals, work } = gated();
    flights.join('c1', { variant: 'a', caller: 'x' }, work);
    flights.join(key, { variant, caller: 'x' }, work);
    expect(signals).toHaveLength(2);
  });
});

describe('the work', () => {
  test('is aborted when its last caller has left, not before', () => {
    const flights = new SingleFlight<string>();
    const { signals, work } = gated();
    const shares = [
      flights.join('c1', { variant: 'a', caller: 'x' }, work),
      flights.join('c1', { variant: 'a', caller: 'x' }, work),
    ];
    shares[0]?.leave();
    expect(signals[0]?.aborted).toBe(false);
    shares[1]?.leave();
    expect(signals[0]?.aborted).toBe(true);
  });

  test('that was aborted is not joined any more', () => {
    const flights = new SingleFlight<string>();
    const { signals, work } = gated();
    flights.join('c1', { variant: 'a', caller: 'x' }, work);
    flights.abort('c1', new Error('deleted'));
    flights.join('c1', { variant: 'a', caller: 'x' }, work);
    expect(signals.map(({ aborted, reason }) => aborted && reason.message)).toEqual(['deleted', false]);
  });

  test('that fails is forgotten: the next call starts anew', async () => {
    const flights = new SingleFlight<string>();
    const { gate, work, signals } = gated();
    const { result } = flights.join('c1', { variant: 'a', caller: 'x' }, work);
    gate.reject(new Error('no'));
    await expect(result).rejects.toThrow('no');
    flights.join('c1', { variant: 'a', caller: 'x' }, work).result.catch(() => {});
    expect(signals).toHaveLength(2);
  });

  test('that is sealed is not joined any more, and knows who has joined before', async () => {
    const flights = new SingleFlight<string>();
    const { gate } = gated();
    const seen: (string | undefined)[][] = [];
    const work = async (flight: Flight) => {
      await gate.promise;
      flight.seal();
      seen.push([...flight.callers]);
      return 'done';
    };
    const joined = ['x', 'y'].map((caller) => flights.join('c1', { variant: 'a', caller }, work).result);
    gate.resolve('');
    await Promise.all(joined);
    expect(seen).toEqual([['x', 'y']]);
  });
});
