/** `leases --history`: who held an address. */
import { holdersAt, holdings } from '../../../infoblox/lease/history/holders.ts';
import type { SqliteLeaseStore } from '../../../infoblox/lease/state/store.ts';
import type { OperatorHandler } from './operator-handler.ts';

/** Makes the handler. */
export function historyHandler({ store }: { readonly store: SqliteLeaseStore }): OperatorHandler<'operator/history'> {
  return {
    longest: 10_000,
    async run({ address, at }) {
      const { entries, since } = store.history(address);
      const result = {
        since: since === null ? null : new Date(since).toISOString(),
        holdings: holdings(entries),
        atTime: at === undefined ? null : holdersAt(entries, at),
      };
      return { result };
    },
  };
}
