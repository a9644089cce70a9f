/** The daemon's durable state: opened at the start, and watched, since root can remove its file. */
import type { Conditions } from '../../infoblox/conditions.ts';
import { SqliteLeaseStore, type StoreOptions } from '../../infoblox/lease/store/sqlite-store.ts';
import type { Log } from '../../infoblox/log.ts';
import type { WriterMemory } from '../../infoblox/wapi/connection/hosts.ts';
import { orStartError, StartError } from './start-error.ts';

/** Milliseconds between looks whether the state file is still in its place. */
const pause = 5_000;

interface StateDeps extends StoreOptions {
  readonly conditions: Conditions;
  readonly log: Log;
}

/**
 * Opens the store of leases in a directory.
 * @throws StartError if the directory cannot be used or another daemon has it
 */
export function openStore(directory: string, { conditions, log, ...options }: StateDeps): SqliteLeaseStore {
  const { store, setAside } = orStartError(() => SqliteLeaseStore.open(directory, conditions, options));
  if (setAside !== undefined) {
    const { file, reason, foreign } = setAside;
    log.error('state file set aside; importing the reservations of this host from the grid', {
      ...{ file, reason, foreign },
      hint: 'nothing has to be done; GC releases what was still to be released according to that file',
    });
  }
  return store;
}

/** Remembers in the state which grid host accepts writes. */
export function writerMemory(store: SqliteLeaseStore): WriterMemory {
  return {
    remembered: store.fact('writer'),
    remember: (host) => store.setFact('writer', host),
  };
}

/**
 * Looks from time to time whether the state file is still in its place, and in order.
 * @param onLost called when it is not: nothing that is written lasts any more
 * @returns what ends it
 */
export function watchState(store: SqliteLeaseStore, onLost: (error: StartError) => void): () => void {
  const timer = setInterval(() => {
    const { loss } = store;
    if (loss !== undefined) onLost(new StartError(loss.message, loss.hint));
  }, pause);
  return () => clearInterval(timer);
}
