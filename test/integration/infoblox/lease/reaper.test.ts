import { expect, test } from 'vitest';
import type { Fate } from '../../../../src/infoblox/host.ts';
import { type AddRequest, add } from '../../../../src/infoblox/lease/add.ts';
import { Reaper } from '../../../../src/infoblox/lease/reaper.ts';
import { networkSpec } from '../../../../src/infoblox/network/spec.ts';
import { aLease, put, sandbox } from '../../../fixture/a-lease.ts';
import { inTime } from '../wapi/session-fixture.ts';
import { markOf, useLeases } from './lease-fixture.ts';

const leases = useLeases();

/** Makes a reaper and its dependencies. `fate` applies to the sandbox of every lease. */
function reaperAndDeps(fate: (netns: string | null) => Fate, graceMs = 0) {
  const { deps: all } = leases();
  const host = {
    ...all.host,
    identify: (netns: string) => ({ ...sandbox, netns }),
    fate: ({ netns }: { netns: string | null }) => fate(netns),
  };
  const deps = { ...all, host };
  return { deps, reaper: new Reaper(deps, graceMs) };
}

/** Returns the request of an ADD of container c1 from a namespace. */
const addFrom = (netns: string): AddRequest => ({
  ...{
    attachment: { network: 'net-1', containerId: 'c1', ifName: 'eth0' },
    workload: { containerId: 'c1' },
    netns,
    callId: 'a1b2c3d4',
  },
  sets: [
    [
      networkSpec({
        name: 'net-1',
        view: 'default',
        subnet: '10.0.0.0/24',
        containers: '',
        prefixLength: 24,
        keepFirst: false,
      }),
    ],
  ],
});

test('an ADD under way for the same container in a new namespace is not ended', async () => {
  const { deps, reaper } = reaperAndDeps((netns) => (netns === '/run/netns/new' ? 'alive' : 'gone'));
  const { grid, store } = leases();
  leases().reserve('c1', '10.0.0.2');
  put(store, aLease(markOf('c1')));
  const look = grid.hold({ method: 'GET', type: 'fixedaddress' });
  await reaper.look();
  const adding = add(deps, addFrom('/run/netns/new'), inTime());
  await look.arrived;
  await reaper.look();
  look.release();
  expect(await adding).toMatchObject({ taken: [{ address: '10.0.0.2' }] });
  await reaper.look();
  expect(store.get(markOf('c1'))).toMatchObject({ phase: 'bound', netns: '/run/netns/new' });
});

test('a container whose ADD was answered between the two looks counts as alive for two more looks', async () => {
  const { deps, reaper } = reaperAndDeps(() => 'gone');
  const { store } = leases();
  leases().reserve('c1', '10.0.0.2');
  put(store, aLease(markOf('c1')));
  await reaper.look();
  // The kernel reuses the inode of a namespace that is gone.
  await add(deps, addFrom('/run/netns/a'), inTime());
  await reaper.look();
  expect(store.get(markOf('c1'))?.phase).toBe('bound');
  await reaper.look();
  expect(store.get(markOf('c1'))?.phase).toBe('releasing');
});

test('a container of an earlier boot is released on the first look, unless an ADD came since', async () => {
  const rebooted = (netns: string | null) => (netns === '/run/netns/new' ? 'alive' : 'gone with its boot');
  const { deps, reaper } = reaperAndDeps(rebooted, 600_000);
  const { store } = leases();
  leases().reserve('c1', '10.0.0.2');
  put(store, aLease(markOf('c1')));
  put(store, aLease(markOf('c2'), { address: '10.0.0.3' }));
  await add(deps, addFrom('/run/netns/new'), inTime());
  await reaper.look();
  expect(store.get(markOf('c1'))?.phase).toBe('bound');
  expect(store.get(markOf('c2'))?.phase).toBe('releasing');
});

test('many containers that died at once are released with calls in between', async () => {
  const { store } = leases();
  const gone = { netns: '/run/netns/gone', netnsId: '4:1', bootId: 'before', bootedAt: 1_000_000 };
  for (let n = 2; n < 202; n += 1) put(store, aLease(markOf(`c${n}`), { address: `10.0.0.${n}`, ...gone }));
  const { reaper } = reaperAndDeps(() => 'gone');
  await reaper.look();
  const writesAtATime = await leases().writesAtATime(() => reaper.look());
  expect(store.count('releasing')).toBe(200);
  expect(Math.max(...writesAtATime)).toBeLessThanOrEqual(50);
});
