/** `gc --host` with a running daemon, and a grid with the reservations of a lost host. */
import { beforeEach, describe, expect, test } from 'vitest';
import { attachmentMark } from '../../../../src/infoblox/mark.ts';
import { blockMarkOf } from '../../../fixture/a-block.ts';
import { until } from '../../../fixture/host.ts';
import { useOperatedHost } from '../../../fixture/operator.ts';

const fixture = useOperatedHost({ attributes: ['Reserved At'] });

beforeEach(() => {
  fixture.grid.add('network', { network: '10.9.0.0/16' });
});

const hour = 3_600_000;
const zeroMac = '00:00:00:00:00:00';

interface Left {
  readonly node?: string;
  readonly cluster?: string;
  /** Age in milliseconds; undefined if the grid does not report it. */
  readonly age?: number;
  readonly view?: string;
  /** Text behind the mark. */
  readonly more?: string;
}

/** Reserves an address like a daemon. */
function leave(
  last: number,
  { node = 'host-9', cluster = 'cluster-1', age, view = 'default', more = '' }: Left,
): string {
  const ipv4addr = `10.9.${last >> 8}.${last & 255}`;
  const attachment = { network: 'net-1', containerId: `lost-${last}`, ifName: 'eth0' };
  const extattrs =
    age === undefined ? {} : { extattrs: { 'Reserved At': { value: new Date(Date.now() - age).toISOString() } } };
  const comment = `${attachmentMark({ cluster, node }, attachment)}${more}`;
  fixture.grid.add('fixedaddress', {
    ...{ ipv4addr, network_view: view, mac: zeroMac, match_client: 'RESERVED', comment },
    ...extattrs,
  });
  return ipv4addr;
}

const addresses = () => fixture.grid.fixedAddresses().map(({ ipv4addr }) => ipv4addr);
const deletes = () => fixture.grid.requests.filter(({ method }) => method === 'DELETE').length;
const gc = (...args: string[]) => fixture.host.command('gc', '--host=host-9', ...args);

describe('a found reservation', () => {
  test('is shown before the release, in any view and exactly of that host, and separately if it is altered', async () => {
    fixture.grid.add('networkview', { name: 'other' });
    fixture.grid.add('network', { network: '10.9.0.0/16', network_view: 'other' });
    leave(1, { age: 30 * 24 * hour });
    leave(2, { age: 2 * hour, view: 'other' });
    leave(3, { age: 2 * hour, more: ' - ask before you delete it' });
    leave(4, { node: 'host-90', age: 2 * hour });
    leave(5, { cluster: 'cluster-2', age: 2 * hour });
    const address = leave(6, { age: 2 * hour });
    const changed = fixture.grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address);
    fixture.grid.update(changed?._ref ?? '', { mac: 'aa:bb:cc:dd:ee:ff', match_client: 'MAC_ADDRESS' });
    const before = addresses();
    const { exitCode, stdout, stderr } = await gc('--dry-run');
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^ADDRESS +VIEW +NETWORK +CONTAINER +INTERFACE +AGE$/m);
    expect(stdout).toMatch(/^10\.9\.0\.1 +default +net-1 +lost-1 +eth0 +30d$/m);
    expect(stdout).toMatch(/^10\.9\.0\.2 +other +net-1 +lost-2 +eth0 +2h$/m);
    expect(stdout).toMatch(/^left alone: 10\.9\.0\.3 in view default was changed .*ask before you delete it/m);
    expect(stdout).toMatch(/^left alone: 10\.9\.0\.6 in view default .*no reservation any more .*aa:bb:cc:dd:ee:ff/m);
    expect(stdout).toMatch(/^2 addresses of host-9 in cluster-1$/m);
    expect(addresses()).toEqual(before);
    const { exitCode: status } = await gc('--yes');
    expect(status).toBe(0);
    expect(addresses()).toEqual(before.filter((one) => one !== '10.9.0.1' && one !== '10.9.0.2'));
  });

  test('is never of this host, whose name is refused like one without reservations', async () => {
    await fixture.host.add('c1');
    const own = await fixture.host.command('gc', '--host=host-a', '--confirm=host-a');
    expect([own.exitCode, own.stderr]).toEqual([
      1,
      expect.stringMatching(/host-a is this host itself\. Use gc without/),
    ]);
    const { errors } = JSON.parse((await fixture.host.command('status', '--json')).stdout);
    expect(errors).toEqual([]);
    const none = await fixture.host.command('gc', '--host=host-8', '--yes');
    expect([none.exitCode, none.stdout]).toEqual([
      0,
      '0 addresses of host-8 in cluster-1\n' +
        'nothing to release; if host-8 had addresses, check what its --node-name and --cluster-name were\n',
    ]);
    expect(addresses()).toContain('10.0.0.2');
  });

  test('is suggested for a name that differs in case, separators or domain, and not for that of another host', async () => {
    leave(1, { node: 'host-9.example.com' });
    for (const flag of ['--dry-run', '--yes'])
      expect((await fixture.host.command('gc', '--host=Host9.example.com', flag)).stdout).toMatch(
        /^did you mean host-9\.example\.com\?$/m,
      );
    expect((await fixture.host.command('gc', '--host=host-8.example.com', '--yes')).stdout).not.toContain(
      'did you mean',
    );
    leave(2, { node: 'node-11' });
    const meant = async (name: string, ...flags: string[]) =>
      /did you mean (.*)\?/.exec((await fixture.host.command('gc', `--host=${name}`, ...flags)).stdout)?.[1];
    expect(await meant('node1-1')).toBeUndefined();
    leave(3, { node: 'Node-1-1' });
    leave(4, { node: 'node-1-1' });
    expect(await meant('node1-1')).toBe('node-1-1');
    expect(await meant('Node1-1')).toBe('Node-1-1');
    expect(await meant('node1-1', '--confirm=node1-1')).toBeUndefined();
    expect(await meant('Host-9')).toBe('host-9.example.com');
    expect(await meant('node-11.example.com')).toBe('node-11');
    expect(await meant('host-9.example.org')).toBeUndefined();
    leave(5, { node: 'host-9.example.org' });
    expect(await meant('host-9')).toBeUndefined();
  });

  test('under a former name of this host stays while this host has leases under it', async () => {
    await fixture.host.add('c1');
    await fixture.host.stop();
    fixture.host.flags.push('--node-name=host-b');
    await fixture.host.start();
    const { exitCode, stderr } = await fixture.host.command('gc', '--host=host-a', '--confirm=host-a');
    expect([exitCode, stderr]).toEqual([1, expect.stringMatching(/host-a is an earlier name of this host/)]);
    expect(addresses()).toContain('10.0.0.2');
  });
});

describe('without a terminal', () => {
  test('--yes is needed, and enough for old reservations', async () => {
    leave(1, { age: 2 * hour });
    const refused = await gc();
    expect([refused.exitCode, refused.stderr]).toEqual([
      2,
      expect.stringMatching(/not releasing 1 address of host-9: there is no terminal to ask\. Use --yes/),
    ]);
    expect(deletes()).toBe(0);
    const { exitCode, stdout, stderr } = await gc('--yes');
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^released 1 of 1 address of host-9$/m);
    expect(addresses()).toEqual([]);
  });

  test.each([
    ['young', { age: hour / 2 }, /it has reserved an address 30m ago, so it may be alive/],
    ['dated in the future', { age: -hour }, /it has reserved an address 0s ago/],
    ['of unknown age', {}, /the grid does not say when/],
  ])('the name must be repeated for a reservation that is %s', async (_, left, why) => {
    leave(1, { age: 2 * hour });
    leave(2, left);
    const refused = await gc('--yes');
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringMatching(why)]);
    expect(refused.stderr).toMatch(/If it is gone for good, repeat its name: --confirm=host-9/);
    expect((await gc('--confirm=host-8')).stderr).toMatch(/--confirm must repeat the name that --host gives/);
    expect(addresses()).toEqual(['10.9.0.1', '10.9.0.2']);
    expect((await gc('--confirm=host-9', '--json')).exitCode).toBe(0);
    expect(addresses()).toEqual([]);
  });

  test('contradictory flags are refused', async () => {
    expect((await fixture.host.command('gc', '--yes')).stderr).toMatch(/--yes, --confirm and --now go with --host/);
    expect((await fixture.host.command('gc', '--host=')).stderr).toMatch(/flag --host needs a value/);
  });
});

describe('the blocks of a lost host', () => {
  test('are released a day later, as it may only lack its connection, or now if it is known to be off, and need its name', async () => {
    leave(1, { age: 2 * hour });
    fixture.grid.add('range', { start_addr: '10.9.0.16', end_addr: '10.9.0.31', comment: blockMarkOf(1, 'host-9') });
    const refused = await gc('--yes');
    expect([refused.exitCode, refused.stderr]).toEqual([2, expect.stringMatching(/it has blocks of addresses/)]);
    const later = await gc('--confirm=host-9');
    expect(later.stdout).toMatch(/^block of 16 from 10\.9\.0\.16 in view default, network net-1$/m);
    expect(later.stdout).toMatch(/^giving back 1 block of addresses of host-9 in 25 hours, unless it reserves again/m);
    const { stdout } = await fixture.host.command('status');
    expect(stdout).toMatch(/^net-1 +default +10\.9\.0\.16-10\.9\.0\.31 +draining, of host-9, 1d left +0 +0 +0 +-$/m);
    expect([addresses(), fixture.grid.objects('range').length]).toEqual([[], 1]);
    const { stdout: now } = await gc('--confirm=host-9', '--now');
    expect(now).toMatch(/^giving back 1 block of addresses of host-9$/m);
    expect(now).not.toContain('nothing to release');
    await until('the block is gone', () => fixture.grid.objects('range').length === 0);
  });
});

describe('an incomplete release', () => {
  test('stops with the reason if the grid refuses', async () => {
    for (let last = 1; last <= 50; last += 1) leave(last, { age: 2 * hour });
    fixture.grid.readOnly = true;
    const { exitCode, stdout } = await gc('--yes');
    expect(exitCode).toBe(1);
    // The three concurrent releases may find that the grid can no longer tell.
    expect(stdout).toMatch(
      /^stopped after [0-3] of 50 addresses of host-9: .*read-only.*; name the Grid Master in --grid-host$/m,
    );
    expect(deletes()).toBeLessThan(20);
    expect(addresses()).toHaveLength(50);
  });
});

test('a thousand reservations are read and released in pages, with at most 8 requests at once', {
  timeout: 180_000,
}, async () => {
  const count = 1_050;
  for (let last = 1; last <= count; last += 1) leave(last, { age: 2 * hour });
  fixture.grid.clearLog();
  const { exitCode, stdout, stderr } = await gc('--yes', '--json');
  expect([exitCode, stderr]).toEqual([0, '']);
  expect(JSON.parse(stdout)).toMatchObject({ released: count, left: [], stopped: null });
  expect(addresses()).toEqual([]);
  expect(fixture.grid.inFlightMax).toBeLessThanOrEqual(8);
  const lists = fixture.grid.requests.filter(
    ({ query }) => query['comment~']?.includes('host-9') || '_page_id' in query,
  );
  const types = lists.map(({ type }) => type).sort();
  expect(types).toEqual(['fixedaddress', 'fixedaddress', 'ipv6fixedaddress', 'ipv6range', 'range']);
});
