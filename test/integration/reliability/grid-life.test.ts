/** Events in the life of a grid: fail-over, restarts, new passwords and certificates, and people who edit it. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { CniError } from '../../../src/cni/errors.ts';
import { Caller } from '../../fixture/calls.ts';
import { Host, until } from '../../fixture/host.ts';
import { doubtWindow, pause, promote, type World } from '../../fixture/world.ts';
import { startGrid } from '../../simulator/grid.ts';
import { relayed } from './candidate.ts';
import { lonelyWorldTest, worldTest } from './world-test.ts';

lonelyWorldTest('when the first grid host fails, the next one serves without a failed ADD', async (world) => {
  const { grid, ledger } = world;
  // A second address of the same grid, which the test can close.
  const first = await relayed(grid.port, grid.port);
  const flags = ['--grid-host=127.0.0.2,127.0.0.1', '--ssl-verify=false'];
  const host = await new Host(grid, { node: 'host-b', doubtWindow, flags }).start();
  try {
    const caller = new Caller(host, ledger, 'host-b');
    expect(await caller.add('c1')).toBe('ok');
    const before = performance.now();
    await first.close();
    expect(await caller.add('c2')).toBe('ok');
    expect(await caller.del('c1', { release: 'later' })).toBe('ok');
    expect(performance.now() - before).toBeLessThan(3_000);
    await ledger.settled();
    const warnings = host.log.filter(({ level }) => level === 'warn' || level === 'error');
    expect(warnings).toContainEqual({
      level: 'warn',
      message: 'another grid host serves',
      details: { from: '127.0.0.2', to: '127.0.0.1' },
    });
    expect(warnings.filter(({ message }) => message.includes('grid unavailable'))).toEqual([]);
  } finally {
    await host.dispose();
  }
});

worldTest(
  'a network whose first ADD met a read-only grid is created when the grid accepts writes again',
  async ({ grid, caller, ledger }) => {
    const fresh = { ipam: { subnet: '10.9.0.0/24', gateway: '10.9.0.1' }, config: { name: 'net-9' } };
    grid.readOnly = true;
    expect(await caller.add('c1', fresh)).not.toBe('ok');
    grid.readOnly = false;
    expect(await caller.add('c2', fresh)).toBe('ok');
    await ledger.settled();
  },
  { flags: ['--add-timeout=4s'] },
);

worldTest('reservations that a promoted candidate lacks are re-created before any call', async (world) => {
  const { grid, host, caller, ledger } = world;
  for (const container of ['c1', 'c2', 'c3']) expect(await caller.add(container)).toBe('ok');
  await promote(world, () => {
    for (const { _ref, comment } of ledger.reservations()) if (!comment?.includes('container=c3 ')) grid.remove(_ref);
  });
  grid.clearLog();
  await until('they are back', () => ledger.brokenNow().length === 0);
  const said = () => host.log.filter(({ message }) => message.startsWith('re-created')).length;
  await until('both are said to be', () => said() === 2);
  for (const container of ['c1', 'c2', 'c3']) expect(await caller.check(container)).toBe('ok');
  // One look for each lease of the last hour, and one create for each lost one.
  expect(grid.requests.filter(({ method }) => method === 'POST')).toHaveLength(2);
  for (const container of ['c1', 'c2', 'c3']) expect(await caller.del(container)).toBe('ok');
  await ledger.settled();
});

worldTest('repeated outages do not cause a look at every lease each time', async (world) => {
  const { grid, host, ledger } = world;
  for (let n = 0; n < 20; n += 1) await host.add(`c${n}`);
  grid.clearLog();
  await promote(world, () => {});
  // A look may be for one lease or for several.
  const lookedAt = () =>
    new Set(
      grid.requests.flatMap(({ query }) => `${query.comment}${query['comment~']}`.match(/ container=c\d+ /g) ?? []),
    );
  await until('each is looked at', () => lookedAt().size === 20);
  await pause(200);
  grid.clearLog();
  await promote(world, () => {});
  await until('it answers', () => host.log.some(({ message }) => message === 'grid available'));
  await pause(600);
  expect([...lookedAt()]).toEqual([]);
  for (let n = 0; n < 20; n += 1) await host.del(`c${n}`);
  await ledger.settled();
});

worldTest('an address that a promoted candidate has given to somebody else is reported as lost', async (world) => {
  const { grid, host, ledger } = world;
  const address = await host.add('c1');
  const holder = () => grid.fixedAddresses('default').find(({ ipv4addr }) => ipv4addr === address)?.comment;
  await promote(world, () => {
    for (const { _ref } of ledger.reservations()) grid.remove(_ref);
    grid.add('fixedaddress', { ipv4addr: address, mac: '02:00:00:00:00:77', comment: 'printer' });
  });
  await until('it is said', () => host.log.some(({ message }) => message.includes('refuses to re-create it')));
  expect(holder()).toBe('printer');
  await host.del('c1', { release: 'later' });
  expect(holder()).toBe('printer');
});

lonelyWorldTest('all of forty containers start while the grid restarts', async (world) => {
  const { grid, caller, ledger } = world;
  await caller.add('c0');
  grid.latencyMs = 20;
  const adds = Array.from({ length: 40 }, (_, index) => caller.add(`c${index + 1}`));
  await until('they are under way', () => grid.inFlightMax > 4);
  await grid.pause();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await grid.resume();
  grid.expireSessions();
  expect(new Set(await Promise.all(adds))).toEqual(new Set(['ok']));
  await ledger.settled();
});

lonelyWorldTest(
  'a wrong password is tried once, however many containers start, and locks no account',
  async (world) => {
    const { grid, caller } = world;
    await caller.add('c0');
    grid.password = 'another';
    grid.expireSessions();
    grid.clearLog();
    const outcomes = await Promise.all(Array.from({ length: 30 }, (_, index) => caller.add(`c${index + 1}`)));
    expect(new Set(outcomes)).toEqual(new Set([103]));
    // One request with the invalid cookie for each connection, and one login.
    expect(grid.requests.length).toBeLessThanOrEqual(9);
    grid.clearLog();
    await caller.add('c31');
    expect(grid.requests).toEqual([]);
  },
);

worldTest(
  'a new certificate is refused until the operator trusts it, and then accepted without a restart',
  async (world) => {
    const { grid, ledger } = world;
    const trust = join(world.host.directory, 'grid.pem');
    copyFileSync(grid.caFile, trust);
    const host = await new Host(grid, { node: 'host-b', doubtWindow, flags: [`--ssl-verify=${trust}`] }).start();
    const { port } = grid;
    await grid.stop();
    const renewed = await startGrid({ port });
    try {
      const caller = new Caller(host, ledger, 'host-b');
      const failure = await host.add('c1', { limit: 15_000 }).catch((error) => error);
      expect(failure).toBeInstanceOf(CniError);
      expect(failure).toMatchObject({ code: 11, message: expect.stringContaining('certificate is not accepted') });
      copyFileSync(renewed.caFile, trust);
      await until('the new certificate is trusted', async () => (await caller.add('c1')) === 'ok');
    } finally {
      await host.dispose();
      await renewed.stop();
    }
  },
);

describe('after an edit of the grid by hand,', () => {
  const reservation = (world: World, container: string) => {
    const found = world.ledger.reservations().find(({ comment }) => comment?.includes(`container=${container} `));
    if (found === undefined) throw new Error(`no reservation of ${container}`);
    return found;
  };

  worldTest('a deleted reservation fails CHECK, ADD re-creates it, and DEL succeeds', async (world) => {
    const { grid, host, caller, ledger } = world;
    await caller.add('c1');
    const { ipv4addr, _ref } = reservation(world, 'c1');
    grid.remove(_ref);
    const prevResult = { cniVersion: '1.1.0', ips: [{ address: `${ipv4addr}/24` }] };
    await expect(host.call('CHECK', 'c1', { config: { prevResult } })).rejects.toMatchObject({
      code: 104,
      message: expect.stringContaining(`${ipv4addr}`),
    });
    expect(await caller.add('c1')).toBe('ok');
    grid.remove(reservation(world, 'c1')._ref);
    expect(await caller.del('c1')).toBe('ok');
    await ledger.settled();
  });

  worldTest('a reservation given to another device fails CHECK, which names it, and DEL spares it', async (world) => {
    const { grid, host, caller, ledger } = world;
    await caller.add('c1');
    const { ipv4addr, _ref } = reservation(world, 'c1');
    grid.update(_ref, { comment: 'mail server' });
    ledger.rememberStrangers();
    const prevResult = { cniVersion: '1.1.0', ips: [{ address: `${ipv4addr}/24` }] };
    await expect(host.call('CHECK', 'c1', { config: { prevResult } })).rejects.toMatchObject({
      code: 104,
      message: expect.stringContaining('mail server'),
    });
    expect(await caller.del('c1')).toBe('ok');
    await ledger.settled();
  });

  worldTest('a deleted reservation whose address another host took is spared by the DEL', async (world) => {
    const { grid, caller, ledger } = world;
    await caller.add('c1');
    grid.remove(reservation(world, 'c1')._ref);
    ledger.left(ledger.identity('host-a', { network: 'net-1', containerId: 'c1', ifName: 'eth0' }));
    const other = await world.another({ node: 'host-b' });
    expect(await other.add('c2')).toBe('ok');
    expect(await caller.del('c1')).toBe('ok');
    await ledger.settled();
    expect(ledger.live).toHaveLength(1);
  });

  worldTest('a deleted network is created again for the next container', async (world) => {
    const { grid, caller } = world;
    const fresh = { ipam: { subnet: '10.5.0.0/24', gateway: '10.5.0.1' }, config: { name: 'net-5' } };
    await caller.add('c1', fresh);
    const network = grid.networks().find((each) => each.network === '10.5.0.0/24');
    grid.remove(network?._ref ?? '');
    await caller.del('c1', fresh);
    expect(await caller.add('c2', fresh)).toBe('ok');
  });
});

worldTest('GC on a host with more reservations than fit into one answer releases page by page', async (world) => {
  const { grid, caller, ledger } = world;
  const wide = { ipam: { subnet: '10.30.0.0/20', gateway: '10.30.0.1' }, config: { name: 'wide' } };
  await caller.add('alive', wide);
  // The daemon's state does not know these: only the list on the grid has them.
  const identity = (index: number) =>
    ledger.identity('host-a', { network: 'wide', containerId: `d${index}`, ifName: 'e' });
  for (let index = 0; index < 1_050; index += 1) {
    const ipv4addr = `func:nextavailableip:10.30.0.0/20`;
    grid.add('fixedaddress', {
      ipv4addr,
      match_client: 'RESERVED',
      mac: '00:00:00:00:00:00',
      comment: identity(index),
    });
  }
  expect(await caller.gc(['alive'], wide)).toBe('ok');
  await ledger.settled();
});
