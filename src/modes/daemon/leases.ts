/** Builds what works on networks and leases: the allocator (ADD), reconciler, import and reaper. */
import type { Clock } from '../../infoblox/concurrency/clock.ts';
import { KeyedMutex } from '../../infoblox/concurrency/keyed-mutex.ts';
import type { Conditions } from '../../infoblox/conditions.ts';
import { Allocator } from '../../infoblox/lease/add/allocate.ts';
import { Deliveries } from '../../infoblox/lease/add/deliveries.ts';
import type { DoubtWindow } from '../../infoblox/lease/doubt.ts';
import type { FormerNames } from '../../infoblox/lease/former-names.ts';
import { Import } from '../../infoblox/lease/import.ts';
import { Observer } from '../../infoblox/lease/observe.ts';
import { Originals } from '../../infoblox/lease/orphans/original.ts';
import { Reconciler } from '../../infoblox/lease/release/reconciler.ts';
import { Reaper } from '../../infoblox/lease/sandbox/reaper.ts';
import { hostSandboxes, type Sandboxes } from '../../infoblox/lease/sandbox/sandbox.ts';
import type { LeaseStore } from '../../infoblox/lease/store/lease-store.ts';
import type { SqliteLeaseStore } from '../../infoblox/lease/store/sqlite-store.ts';
import type { Log } from '../../infoblox/log.ts';
import type { Origin } from '../../infoblox/mark.ts';
import { Exhaustion } from '../../infoblox/network/exhaustion.ts';
import { Networks } from '../../infoblox/network/networks.ts';
import { NetworkUsage } from '../../infoblox/network/usage.ts';
import { NetworkViews } from '../../infoblox/network/views.ts';
import type { Trace } from '../../infoblox/trace.ts';
import type { Options } from './config/options.ts';
import type { GridAccess } from './grid-access.ts';

export type Leases = ReturnType<typeof buildLeases>;

interface LeasesDeps {
  readonly options: Pick<Options, 'reapAfter' | 'releaseOriginal'>;
  readonly origin: Origin;
  readonly conditions: Conditions;
  readonly store: SqliteLeaseStore;
  readonly names: FormerNames;
  readonly grid: GridAccess;
  readonly clock: Clock;
  /** How long a write whose answer was lost counts as in doubt. */
  readonly window: DoubtWindow;
  /** Whether an address is one of this host itself. */
  readonly isOwnAddress: (address: string) => Promise<boolean>;
  readonly trace: Trace;
  readonly log: Log;
}

/** Builds what works on leases; nothing runs yet. */
export function buildLeases({ options, origin, conditions, grid, clock, window, ...given }: LeasesDeps) {
  const { store, names, isOwnAddress, trace, log } = given;
  const { wapi } = grid;
  const views = new NetworkViews({ wapi, leases: store, host: origin });
  const moment = () => ({ now: clock.now(), wall: clock.wall(), window });
  const networks = new Networks({ wapi, views, leases: store, clock, conditions });
  const { releaseOriginal, reapAfter } = options;
  const originals = releaseOriginal === '' ? undefined : new Originals({ wapi, store, log }, releaseOriginal);
  const deps = {
    wapi,
    networks,
    exhaustion: new Exhaustion(wapi, conditions, clock),
    store,
    names,
    observer: new Observer({ wapi, store, moment, log, originals }),
    sandboxes: warnOfUnseen(hostSandboxes(clock), log),
    deliveries: new Deliveries({ store, moment, log }),
    isOwnAddress,
    locks: new KeyedMutex(),
    clock,
    moment,
    conditions,
    tally: { reaped: 0, recreated: 0 },
    trace,
    log,
  };
  const allocator = new Allocator(deps);
  const importer = new Import({ ...deps, allocator });
  return {
    ...deps,
    usage: new NetworkUsage({
      inspection: grid.inspection,
      conditions,
      known: () => networks.all().map(({ network }) => network),
      leased: (limit) => addressOfEach(store, limit),
      clock,
    }),
    allocator,
    reconciler: new Reconciler(deps),
    importer,
    reaper: new Reaper({ ...deps, allocator }, reapAfter),
  };
}

/**
 * Adds a warning to the look at namespaces, for the first one under /proc that this process may not see: the systemd unit hides
 * them, and without DEL or GC the address of such a container would never be released.
 */
export function warnOfUnseen(sandboxes: Sandboxes, log: Log): Sandboxes {
  let warned = false;
  return {
    ...sandboxes,
    identify(path) {
      const sandbox = sandboxes.identify(path);
      if (!warned && sandbox.netnsId === null && path.startsWith('/proc/')) {
        warned = true;
        log.warn(
          'cannot see the network namespace of a container: if it ends without DEL, only GC releases its address',
          {
            netns: path,
            hint: 'let the daemon see other processes: "Runtimes that name /proc" in docs/operations.md',
          },
        );
      }
      return sandbox;
    },
  };
}

/** One address that this host has in each network of each view. */
function addressOfEach(store: LeaseStore, limit: number) {
  const bound = store.where(({ phase }) => phase === 'bound');
  const networks = Map.groupBy(bound, ({ network, view }) => `${network} ${view}`);
  return [...networks.values()]
    .slice(0, limit)
    .flatMap(([lease]) => (lease?.address == null ? [] : [{ view: lease.view, address: lease.address }]));
}
