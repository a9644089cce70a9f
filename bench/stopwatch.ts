/** Takes the time of everything that an object does, without the object knowing. */

export interface Stopwatch<T> {
  /** Does what the object does. */
  readonly timed: T;
  /** Milliseconds spent in its synchronous methods since the last `reset`. */
  milliseconds(): number;
  /** How often a method was called since then. */
  calls(name: keyof T): number;
  reset(): void;
}

/** @param object whose calls of its own methods count once */
export function stopwatch<T extends object>(object: T): Stopwatch<T> {
  let spent = 0n;
  let depth = 0;
  const calls = new Map<PropertyKey, number>();
  const timed = new Proxy(object, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) => {
        if (depth > 0) return Reflect.apply(value, target, args);
        const begin = process.hrtime.bigint();
        depth += 1;
        calls.set(name, (calls.get(name) ?? 0) + 1);
        try {
          return Reflect.apply(value, target, args);
        } finally {
          depth -= 1;
          spent += process.hrtime.bigint() - begin;
        }
      };
    },
  });
  return {
    timed,
    milliseconds: () => Number(spent) / 1e6,
    calls: (name) => calls.get(name) ?? 0,
    reset() {
      spent = 0n;
      calls.clear();
    },
  };
}
