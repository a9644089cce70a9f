/** A store that tests watch or let fail, in the place of the one that the daemon has opened. */
import type { SqliteLeaseStore } from '../../../src/infoblox/lease/store/sqlite-store.ts';

/** Told of each call of a method before it is made; makes it, with other arguments perhaps, or does not. */
export type Interceptor = (
  method: string,
  args: readonly unknown[],
  run: (other?: readonly unknown[]) => unknown,
) => unknown;

/** A store that does what another one does, every call of it by way of the interceptor. */
export function intercept(store: SqliteLeaseStore, interceptor: Interceptor): SqliteLeaseStore {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]) =>
        interceptor(String(name), args, (other = args) => Reflect.apply(value, target, other));
    },
  });
}
