/** Takes the time of everything that the objects of a class do, without the class knowing. */

type Method = (this: unknown, ...args: unknown[]) => unknown;

export interface Stopwatch {
  /** Milliseconds spent in synchronous methods since the last `reset`. */
  milliseconds(): number;
  reset(): void;
  /** Gives the class its own methods back. */
  stop(): void;
}

/** @param prototype of the class; calls of one method by another count once */
export function stopwatch(prototype: object): Stopwatch {
  let spent = 0n;
  let depth = 0;
  const own = Object.entries(Object.getOwnPropertyDescriptors(prototype)).filter(
    ([name, { value }]) => name !== 'constructor' && typeof value === 'function',
  );
  for (const [name, descriptor] of own) {
    const method = descriptor.value as Method;
    const watched: Method = function (...args) {
      if (depth > 0) return method.apply(this, args);
      const begin = process.hrtime.bigint();
      depth += 1;
      try {
        return method.apply(this, args);
      } finally {
        depth -= 1;
        spent += process.hrtime.bigint() - begin;
      }
    };
    Object.defineProperty(prototype, name, { ...descriptor, value: watched });
  }
  return {
    milliseconds: () => Number(spent) / 1e6,
    reset() {
      spent = 0n;
    },
    stop() {
      for (const [name, descriptor] of own) Object.defineProperty(prototype, name, descriptor);
    },
  };
}
