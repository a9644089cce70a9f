import type { Core } from '../../infoblox/core.ts';
import type { SqliteLeaseStore } from '../../infoblox/lease/store/sqlite-store.ts';
import type { Options } from './config/options.ts';
import type { GridAccess } from './grid-access.ts';

/** The parts of the daemon: its settings, its state, the grid, and the core on top of them. */
export interface Parts {
  readonly options: Options;
  readonly store: SqliteLeaseStore;
  readonly access: GridAccess;
  readonly core: Core;
}
