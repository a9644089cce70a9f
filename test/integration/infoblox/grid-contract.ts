/** The contract of the port `Grid`: the same cases for the implementation over WAPI and for the one in memory. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { addressBeside, type Cidr, type Family, type Interval, parseCidr } from '../../../src/infoblox/address.ts';
import { describeReservation, ofNetwork, reservedAtIn } from '../../../src/infoblox/attributes.ts';
import {
  type AddressSource,
  type Grid,
  maxSightingAgeMs,
  type Reservation,
  type Sighted,
  sighting,
} from '../../../src/infoblox/grid.ts';
import { attachmentMark, blockMark, networkMark, pendingNetworkMark } from '../../../src/infoblox/mark.ts';

/** An empty grid that defines all attributes, and the ways in which others change it. */
export interface GridUnderTest {
  readonly grid: Grid;
  /** An administrator gives an address to a DHCP client. */
  addClient(where: { readonly address: string; readonly view: string; readonly comment?: string }): void;
  /** An administrator makes a range that a member serves to DHCP clients. */
  addServedRange(range: Interval & { readonly view: string }): void;
  /** An administrator gives an address to a host. */
  addHost(where: { readonly address: string; readonly view: string }): void;
  /** An administrator changes the comment of a reservation. */
  comment(where: Pick<Reservation, 'address' | 'view'>, comment: string): void;
  /** Loses the answer to the next write. `isCarriedOut`: whether the grid carries the write out. */
  loseAnswer(isCarriedOut: boolean): void;
  /** Lets only a host answer that does not accept writes, and that knows nothing but the view `default`. */
  loseMaster(): Promise<void>;
  end(): Promise<void>;
}

/** The networks of the cases in one address family. */
interface Ground {
  readonly family: Family;
  /** A network with few host addresses, and their number. */
  readonly small: Cidr;
  readonly hosts: number;
  readonly wide: Cidr;
  /** A network that does not exist. */
  readonly gone: Cidr;
  /** A container with room for two networks of `prefixLength`. */
  readonly container: Cidr;
  readonly prefixLength: number;
  readonly inContainer: readonly [string, string];
  /** Networks beside `small`, in it, around both, and elsewhere. */
  readonly beside: Cidr;
  readonly further: Cidr;
  readonly inner: Cidr;
  readonly outer: Cidr;
  readonly elsewhere: Cidr;
  /** Returns an address of `small` and `wide` by its offset. */
  readonly at: (offset: number) => string;
}

const grounds: readonly Ground[] = [
  {
    family: 4,
    small: cidr('10.0.0.0/29'),
    hosts: 6,
    wide: cidr('10.0.0.0/24'),
    gone: cidr('10.9.0.0/24'),
    container: cidr('172.18.0.0/23'),
    prefixLength: 24,
    inContainer: ['172.18.0.0/24', '172.18.1.0/24'],
    beside: cidr('10.0.1.0/24'),
    further: cidr('10.0.2.0/29'),
    inner: cidr('10.0.0.4/30'),
    outer: cidr('10.0.0.0/20'),
    elsewhere: cidr('10.2.0.0/16'),
    at: (offset) => `10.0.0.${offset}`,
  },
  {
    family: 6,
    small: cidr('fd00:18:1::/125'),
    hosts: 7,
    wide: cidr('fd00:18:1::/64'),
    gone: cidr('fd00:99::/64'),
    container: cidr('fd00:18:8::/63'),
    prefixLength: 64,
    inContainer: ['fd00:18:8::/64', 'fd00:18:8:1::/64'],
    beside: cidr('fd00:18:1:1::/64'),
    further: cidr('fd00:18:1:2::/125'),
    inner: cidr('fd00:18:1::4/126'),
    outer: cidr('fd00:18:1::/48'),
    elsewhere: cidr('fd00:19::/48'),
    at: (offset) => `fd00:18:1::${offset.toString(16)}`,
  },
];

export function gridContract(open: () => Promise<GridUnderTest>): void {
  describe.each(grounds)('IPv$family', (ground) => contractIn(ground, open));
}

function contractIn(ground: Ground, open: () => Promise<GridUnderTest>): void {
  const { family, small, wide, gone, container, at } = ground;
  let outside: GridUnderTest;
  let grid: Grid;

  beforeEach(async () => {
    outside = await open();
    grid = outside.grid;
  });
  afterEach(() => outside.end());

  const view = 'default';
  const inTime = () => AbortSignal.timeout(20_000);
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => 'no failure',
      (error) => error,
    );
  const markOf = (containerId: string, { node = 'host-a', network = 'net-1' } = {}) =>
    attachmentMark({ cluster: 'c', node }, { network, containerId, ifName: 'eth0' });
  const next: AddressSource = { view, nextOf: small };
  const reserve = (comment: string, source: AddressSource = next) =>
    grid.reserve({ source, comment, name: 'web', attributes: {} }, inTime());
  const found = async (mark: string) => (await grid.find(mark, { view, family }, inTime())).found;
  const seen = async (mark: string) => {
    const [one] = await found(mark);
    if (one === undefined) throw new Error(`nothing carries ${mark}`);
    return one;
  };
  /** Returns the same look as if its answer had come `milliseconds` later. */
  const later = ({ seen: at }: Sighted, milliseconds: number) => ({
    seen: sighting({ ...at, answeredAt: at.answeredAt + milliseconds }),
  });
  const hosts = Array.from({ length: ground.hosts }, (_, index) => at(index + 1));
  const createNetwork = (one: Cidr, name = 'net-1', comment = networkMark(name)) =>
    grid.createNetwork({ source: { view, cidr: one }, name, comment }, inTime());
  const networkAt = (one: Cidr) => grid.networkAt({ cidr: one, view }, inTime());
  const isUsed = async (address: string) =>
    (await grid.occupants({ first: address, last: address }, { network: small, view }, inTime())).length > 0;

  describe('an address', () => {
    beforeEach(() => createNetwork(small));

    test('is reserved, found by its mark and at its place, and free again after the removal', async () => {
      const mark = markOf('c1');
      const made = await reserve(mark);
      expect(made).toMatchObject({ view, address: expect.toBeOneOf(hosts) });
      const one = await seen(mark);
      expect(one).toMatchObject({ ...made, comment: mark, isReserved: true, matchedBy: 'RESERVED' });
      expect(await grid.at(made.address, view, inTime())).toMatchObject([{ comment: mark }]);
      expect(await isUsed(made.address)).toBe(true);
      await grid.remove(one, inTime());
      expect(await found(mark)).toEqual([]);
      expect(await grid.at(made.address, undefined, inTime())).toEqual([]);
      expect(await isUsed(made.address)).toBe(false);
    });

    test('is each host address of the network once, and then there is none', async () => {
      const addresses = new Set<string>();
      for (const n of hosts.keys()) addresses.add((await reserve(markOf(`c${n}`))).address);
      expect([...addresses].sort()).toEqual(hosts);
      expect(await grid.hasRoom({ view, nextOf: small }, inTime())).toBe(false);
      expect(await failure(reserve(markOf('more')))).toMatchObject({ reason: 'no-free-address', outcome: 'none' });
      await grid.remove(await seen(markOf('c3')), inTime());
      expect(await grid.hasRoom({ view, nextOf: small }, inTime())).toBe(true);
      await expect(reserve(markOf('more'))).resolves.toMatchObject({ view });
    });

    test('is never an excluded one', async () => {
      const source = { view, nextOf: small, exclude: hosts.filter((one) => one !== at(3) && one !== at(5)) };
      expect(await reserve(markOf('c1'), source)).toEqual({ view, address: at(3) });
      expect(await grid.hasRoom(source, inTime())).toBe(true);
      expect(await reserve(markOf('c2'), source)).toEqual({ view, address: at(5) });
      expect(await grid.hasRoom(source, inTime())).toBe(false);
      expect(await failure(reserve(markOf('c3'), source))).toMatchObject({ reason: 'no-free-address' });
    });

    test('that is requested is reserved, or refused if it is taken', async () => {
      const source = { view, address: at(3) };
      outside.addClient({ ...source, comment: 'printer' });
      expect(await failure(reserve(markOf('c1'), source))).toMatchObject({ reason: 'conflict', outcome: 'none' });
      expect(await grid.at(at(3), view, inTime())).toMatchObject([{ comment: 'printer', isReserved: false }]);
      expect(await reserve(markOf('c1'), { view, address: at(4) })).toEqual({ view, address: at(4) });
    });

    test('is never given twice to hosts that ask at once', async () => {
      const asked = await Promise.allSettled([1, 2, 3, 4].map((n) => reserve(markOf(`c${n}`))));
      const made = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value.address] : []));
      expect(new Set(made).size).toBe(made.length);
      for (const one of asked) if (one.status === 'rejected') expect(one.reason).toMatchObject({ reason: 'conflict' });
    });

    test('cannot come from a missing network', async () => {
      const nothing = { view, nextOf: gone };
      expect(await failure(reserve(markOf('c1'), nothing))).toMatchObject({ outcome: 'none' });
      expect(await grid.hasRoom(nothing, inTime())).toBeUndefined();
    });

    test('is found by exactly its mark, in one view or in all', async () => {
      await grid.create({ view: 'other' }, inTime());
      await grid.createNetwork({ source: { view: 'other', cidr: small }, name: 'n', comment: '' }, inTime());
      const mark = markOf('c1');
      await reserve(`${mark}1`);
      await reserve(mark, { view: 'other', nextOf: small });
      expect(await found(mark)).toEqual([]);
      expect(await grid.find(mark, {}, inTime())).toMatchObject({ found: [{ view: 'other' }] });
      expect(await grid.find(mark, { view: 'nowhere' }, inTime())).toEqual({ found: [] });
    });
  });

  describe('a list', () => {
    const marks = [markOf('c1'), markOf('c2', { network: 'net-2' }), markOf('c3', { node: 'host-b' })];
    const listed = async (filter: Parameters<Grid['list']>[0]) => {
      const all = await Array.fromAsync(grid.list(filter, inTime()));
      return all.map(({ comment }) => comment).sort();
    };
    beforeEach(async () => {
      await createNetwork(small);
      for (const mark of [...marks, 'router']) await reserve(mark);
    });

    test('selects reservations by cluster, host, network name, view and network', async () => {
      const host = { cluster: 'c', node: 'host-a' };
      expect(await listed({ marks: { cluster: 'c' } })).toEqual([...marks].sort());
      expect(await listed({ marks: host })).toEqual([marks[0], marks[1]]);
      expect(await listed({ marks: { ...host, network: 'net-2' } })).toEqual([marks[1]]);
      expect(await listed({ marks: { cluster: 'c', network: 'net-1' } })).toEqual([marks[0], marks[2]].sort());
      expect(await listed({ marks: { ...host, node: 'host' } })).toEqual([]);
      expect(await listed({ marks: host, view: 'nowhere' })).toEqual([]);
      expect(await listed({ network: small, view, confirm: true })).toEqual([...marks, 'router'].sort());
      expect(await listed({ network: gone })).toEqual([]);
    });

    test('includes reservations with an extended comment', async () => {
      const { address } = await seen(marks[0] ?? '');
      outside.comment({ address, view }, `${marks[0]} (ticket 4711)`);
      expect(await listed({ marks: { cluster: 'c', node: 'host-a', network: 'net-1' } })).toEqual([
        `${marks[0]} (ticket 4711)`,
      ]);
    });

    test('with descriptions contains time and workload of each reservation, and can be searched by them', async () => {
      const mark = markOf('c9');
      const described = { comment: mark, ...describeReservation('net-1', { containerId: 'c9', pod: 'web-1' }) };
      await grid.reserve({ source: next, ...described }, inTime());
      const attributes = { 'VM ID': 'c9' };
      const all = await Array.fromAsync(grid.listDescribed({ attributes, view, confirm: true }, inTime()));
      expect(all).toMatchObject([{ comment: mark, name: described.name, network: small, isReserved: true }]);
      const own = all[0]?.attributes ?? new Map();
      expect(Object.fromEntries(own)).toMatchObject(described.attributes);
      expect(Math.abs((reservedAtIn(own) ?? 0) - Date.now())).toBeLessThan(60_000);
      const another = grid.listDescribed({ attributes: { 'VM ID': 'c8' } }, inTime());
      expect(await Array.fromAsync(another)).toEqual([]);
    });
  });

  describe('a write to an object that was shown', () => {
    const mark = markOf('c1');
    beforeEach(async () => {
      await createNetwork(small);
      await reserve(mark);
    });

    test('gives it to another owner, including attributes', async () => {
      const label = { comment: markOf('c2'), name: 'db', attributes: ofNetwork('net-2') };
      const before = await seen(mark);
      await grid.relabel(before, label, inTime());
      expect(await found(mark)).toEqual([]);
      const [one] = await Array.fromAsync(grid.listDescribed({ view }, inTime()));
      expect(one).toMatchObject({ address: before.address, comment: markOf('c2'), name: 'db', isReserved: true });
      expect(one?.attributes.get('Network Name')).toBe('net-2');
    });

    test('is not sent if the look is older than a second, as the reference may name another object by then', async () => {
      const old = later(await seen(mark), -maxSightingAgeMs - 1);
      const outdated = { reason: 'busy', outcome: 'none', mayLookAgain: true };
      expect(await failure(grid.remove(old, inTime()))).toMatchObject(outdated);
      expect(await failure(grid.relabel(old, { comment: 'x' }, inTime()))).toMatchObject(outdated);
      expect(await found(mark)).toHaveLength(1);
    });

    test('that is gone counts as removed, and cannot be changed', async () => {
      const one = later(await seen(mark), 60_000);
      await grid.remove(one, inTime());
      await grid.remove(one, inTime());
      const gone = { reason: 'missing', outcome: 'none', mayLookAgain: true };
      expect(await failure(grid.relabel(one, { comment: 'x' }, inTime()))).toMatchObject(gone);
    });

    test('hits the next object of the same place, which has the same reference', async () => {
      const { address, ...one } = await seen(mark);
      const look = later(one, 60_000);
      await grid.remove(look, inTime());
      await reserve(markOf('c2'), { view, address });
      await grid.remove(look, inTime());
      expect(await found(markOf('c2'))).toEqual([]);
    });
  });

  describe('a write whose answer is lost', () => {
    const mark = markOf('c1');
    beforeEach(() => createNetwork(small));

    test.each([true, false])(
      'may be carried out or not, and is not sent again (carried out: %s)',
      async (isCarriedOut) => {
        outside.loseAnswer(isCarriedOut);
        expect(await failure(reserve(mark))).toMatchObject({ outcome: 'open', mayLookAgain: false });
        expect(await found(mark)).toHaveLength(isCarriedOut ? 1 : 0);
      },
    );

    test.each([true, false])('has an open outcome for a delete, too (carried out: %s)', async (isCarriedOut) => {
      await reserve(mark);
      const one = await seen(mark);
      outside.loseAnswer(isCarriedOut);
      expect(await failure(grid.remove(one, inTime()))).toMatchObject({ outcome: 'open', mayLookAgain: false });
      expect(await found(mark)).toHaveLength(isCarriedOut ? 0 : 1);
    });
  });

  describe('a network', () => {
    const another = { view, nextOf: container, prefixLength: ground.prefixLength };
    const createNext = (name: string) =>
      grid.createNetwork({ source: another, name, comment: pendingNetworkMark(name) }, inTime());

    test('is created once, found by its place, and removed', async () => {
      expect(await networkAt(small)).toBeUndefined();
      expect((await createNetwork(small)).text).toBe(small.text);
      expect(await failure(createNetwork(small))).toMatchObject({ reason: 'conflict', outcome: 'none' });
      const network = await networkAt(small);
      expect(network).toMatchObject({ cidr: small, view, comment: networkMark('net-1'), names: ['net-1'] });
      expect(await grid.networkAt({ cidr: small, view, confirm: true }, inTime())).toMatchObject({ cidr: small });
      expect(await grid.networkAt({ cidr: small, view: 'nowhere' }, inTime())).toBeUndefined();
      if (network !== undefined) await grid.remove(network, inTime());
      expect(await networkAt(small)).toBeUndefined();
    });

    test('is the next free one of a container, until that is full', async () => {
      expect(await grid.hasRoom(another, inTime())).toBeUndefined();
      expect(await failure(createNext('a'))).toMatchObject({ outcome: 'none' });
      await grid.create({ view, container }, inTime());
      expect(await grid.hasRoom(another, inTime())).toBe(true);
      const made = [await createNext('a'), await createNext('b')].map(({ text }) => text);
      expect(made).toEqual(ground.inContainer);
      expect(await failure(createNext('c'))).toMatchObject({ reason: 'no-free-network', outcome: 'none' });
      expect(await grid.hasRoom(another, inTime())).toBe(false);
    });

    test('is found by the name in its comment or attribute, and keeps that when its comment changes', async () => {
      await createNetwork(small, 'net-1', pendingNetworkMark('net-1'));
      await createNetwork(ground.beside, 'net-1', 'Paris');
      await createNetwork(ground.further, 'net-10');
      const named = async () => {
        const all = await grid.networksNamed('net-1', { view, family }, inTime());
        const texts = all.map(({ cidr: { text }, comment }) => `${text} ${comment}`);
        return [...new Set(texts)].filter((text) => !text.startsWith(ground.further.text)).sort();
      };
      const paris = `${ground.beside.text} Paris`;
      expect(await named()).toEqual([`${small.text} ${pendingNetworkMark('net-1')}`, paris].sort());
      const network = await networkAt(small);
      if (network !== undefined) await grid.relabel(network, { comment: `${networkMark('net-1')} - Oslo` }, inTime());
      expect(await named()).toEqual([`${small.text} ${networkMark('net-1')} - Oslo`, paris].sort());
      expect((await networkAt(small))?.names).toEqual(['net-1']);
      expect(await grid.networksNamed('net-1', { view: 'nowhere', family }, inTime())).toEqual([]);
    });

    test('overlaps the networks around it and inside it, but not itself', async () => {
      await createNetwork(small);
      await createNetwork(ground.beside);
      const overlapping = async (one: Cidr) =>
        (await grid.networksOverlapping(one, view, inTime())).map(({ text }) => text).sort();
      expect(await overlapping(small)).toEqual([]);
      expect(await overlapping(ground.inner)).toEqual([small.text]);
      expect(await overlapping(ground.outer)).toEqual([small.text, ground.beside.text].sort());
      expect(await overlapping(ground.elsewhere)).toEqual([]);
    });

    test('is reported with its place, and with its utilisation if the grid counts', async () => {
      await createNetwork(small);
      for (const n of [1, 2, 3]) await reserve(markOf(`c${n}`));
      const utilization = await grid.utilization({ address: at(1), view }, inTime());
      expect(utilization).toMatchObject({ cidr: small });
      expect(await grid.utilization({ cidr: gone, view }, inTime())).toBeUndefined();
      if (family === 6) return expect(utilization?.tenths).toBeUndefined();
      expect(utilization?.tenths).toBeGreaterThan(300);
      expect(utilization?.tenths).toBeLessThanOrEqual(500);
    });
  });

  describe('a range', () => {
    const block = (n: number, { node = 'host-a', network = 'net-1' } = {}) =>
      blockMark({ origin: { cluster: 'c', node }, network, machine: '0123abcd', id: String(n).padStart(16, '0') });
    const interval = (first: number, last: number) => ({ first: at(first), last: at(last) });
    const eight = interval(8, 15);
    const createRange = (where: Interval, comment: string, network = wide) =>
      grid.createRange({ ...where, network, view, comment, name: 'host-a', attributes: ofNetwork('net-1') }, inTime());
    const ranges = (filter: Parameters<Grid['ranges']>[0]) => grid.ranges({ view, confirm: true, ...filter }, inTime());
    const comments = async (filter: Parameters<Grid['ranges']>[0]) =>
      (await ranges(filter)).map(({ comment }) => comment).sort();
    const occupants = (where: Interval) => grid.occupants(where, { network: wide, view, confirm: true }, inTime());
    const only = async (mark: string) => {
      const one = (await ranges({ network: wide })).find(({ comment }) => comment === mark);
      if (one === undefined) throw new Error(`no range carries ${mark}`);
      return one;
    };
    beforeEach(() => createNetwork(wide));

    test('is created once, found by its mark and by overlap, and removed without the reservations inside', async () => {
      await createRange(eight, block(1));
      const one = await only(block(1));
      expect(one).toMatchObject({ ...eight, view, network: wide, comment: block(1), isReserved: true });
      for (const where of [eight, interval(1, 8), interval(15, 20), interval(1, 99), interval(10, 10)]) {
        expect(await comments({ network: wide, touching: where })).toEqual([block(1)]);
        expect(await failure(createRange(where, block(2)))).toMatchObject({ reason: 'conflict', outcome: 'none' });
      }
      for (const where of [interval(1, 7), interval(16, 99)]) {
        expect(await comments({ network: wide, touching: where })).toEqual([]);
      }
      await reserve(markOf('c1'), { view, address: at(9) });
      await grid.remove(one, inTime());
      expect(await ranges({ network: wide })).toEqual([]);
      expect(await found(markOf('c1'))).toHaveLength(1);
    });

    test('of a host is distinguished from those of other hosts and networks, and from one that a member serves', async () => {
      outside.addServedRange({ ...interval(1, 4), view });
      await createRange(eight, block(1));
      await createRange(interval(16, 23), block(2, { network: 'net-2' }));
      await createRange(interval(24, 31), block(3, { node: 'host-b' }));
      const host = { cluster: 'c', node: 'host-a', of: 'blocks' } as const;
      expect(await comments({ marks: host })).toEqual([block(1), block(2, { network: 'net-2' })]);
      expect(await comments({ marks: { cluster: 'c', network: 'net-1', of: 'blocks' } })).toEqual(
        [block(1), block(3, { node: 'host-b' })].sort(),
      );
      expect(await comments({ marks: { cluster: 'c' } })).toEqual([]);
      expect(await comments({ marks: host, view: 'nowhere' })).toEqual([]);
      expect(await Array.fromAsync(grid.list({ marks: host }, inTime()))).toEqual([]);
      const kinds = (await ranges({ network: wide })).map(({ first, isReserved }) => [first, isReserved]);
      expect(kinds.filter(([, isReserved]) => !isReserved)).toEqual([[at(1), false]]);
    });

    test('gives addresses to requests that name it, and not to requests for the network', async () => {
      await createRange(interval(1, 2), block(1));
      const nextOf = interval(1, 2);
      expect(await reserve(markOf('c1'), { view, nextOf: wide })).toMatchObject({ address: at(3) });
      expect(await grid.hasRoom({ view, nextOf }, inTime())).toBe(true);
      const made = [await reserve(markOf('c2'), { view, nextOf }), await reserve(markOf('c3'), { view, nextOf })];
      expect(made.map(({ address }) => address).sort()).toEqual([at(1), at(2)]);
      expect(await failure(reserve(markOf('c4'), { view, nextOf }))).toMatchObject({ reason: 'no-free-address' });
      expect(await grid.hasRoom({ view, nextOf }, inTime())).toBe(false);
      expect(await grid.hasRoom({ view, nextOf: interval(1, 3) }, inTime())).toBeUndefined();
    });

    test('does not make its addresses used, only the objects in it do', async () => {
      await createRange(eight, block(1));
      outside.addHost({ address: at(10), view });
      outside.addClient({ address: at(9), view, comment: 'printer' });
      await reserve(markOf('c1'), { view, address: at(15) });
      await reserve(markOf('c2'), { view, address: at(16) });
      expect(await occupants(eight)).toEqual([
        { address: at(9), comment: 'printer' },
        { address: at(10), comment: '' },
        { address: at(15), comment: markOf('c1') },
      ]);
      expect(await occupants(interval(8, 8))).toEqual([]);
      expect(await occupants(interval(10, 10))).toHaveLength(1);
      expect(await occupants({ first: wide.first, last: at(8) })).toEqual([]);
    });

    test('needs a network that contains it completely', async () => {
      const where = { first: addressBeside(gone.first, 1), last: addressBeside(gone.first, 8) };
      expect(await failure(createRange(where, block(1), gone))).toMatchObject({ reason: 'missing', outcome: 'none' });
      expect(await failure(createRange(where, block(1)))).toMatchObject({ outcome: 'none' });
      expect(await ranges({ network: gone, touching: where })).toEqual([]);
      expect(await grid.occupants(where, { network: gone, view }, inTime())).toEqual([]);
    });

    test('can be written only after a look at it, like any object', async () => {
      await createRange(eight, block(1));
      await grid.relabel(await only(block(1)), { comment: `${block(1)} (Oslo)` }, inTime());
      const [one] = await ranges({ network: wide });
      expect(one).toMatchObject({ ...eight, comment: `${block(1)} (Oslo)`, isReserved: true });
      if (one === undefined) return;
      const old = await failure(grid.remove(later(one, -maxSightingAgeMs - 1), inTime()));
      expect(old).toMatchObject({ reason: 'busy', outcome: 'none', mayLookAgain: true });
      outside.loseAnswer(true);
      expect(await failure(grid.remove(one, inTime()))).toMatchObject({ outcome: 'open' });
      expect(await ranges({ network: wide })).toEqual([]);
      outside.loseAnswer(false);
      expect(await failure(createRange(eight, block(2)))).toMatchObject({ outcome: 'open', mayLookAgain: false });
    });
  });

  test('a view and a network container are created once', async () => {
    for (const one of [{ view: 'pods' }, { view: 'pods', container }]) {
      expect(await grid.exists(one, inTime())).toBe(false);
      await grid.create(one, inTime());
      expect(await grid.exists(one, inTime())).toBe(true);
      expect(await failure(grid.create(one, inTime()))).toMatchObject({ reason: 'conflict', outcome: 'none' });
    }
    expect(await grid.exists({ view, container }, inTime())).toBe(false);
  });

  test('while the master is away, no answer of another host is confirmed, and no write goes there with a look at the master', async () => {
    await createNetwork(small);
    const mark = markOf('c1');
    await reserve(mark);
    const one = await seen(mark);
    await outside.loseMaster();
    expect(await grid.find(mark, { view }, inTime())).toMatchObject({
      found: [],
      unconfirmed: { reason: 'unconfirmed' },
    });
    expect(await grid.at(one.address, view, inTime())).toEqual([]);
    const unconfirmed = { reason: 'unconfirmed', outcome: 'none' };
    const listed = Array.fromAsync(grid.list({ marks: { cluster: 'c' }, confirm: true }, inTime()));
    expect(await failure(listed)).toMatchObject(unconfirmed);
    const network = grid.networkAt({ cidr: small, view, confirm: true }, inTime());
    expect(await failure(network)).toMatchObject(unconfirmed);
    expect(await failure(grid.ranges({ network: small, confirm: true }, inTime()))).toMatchObject(unconfirmed);
    const occupants = grid.occupants(small, { network: small, view, confirm: true }, inTime());
    expect(await failure(occupants)).toMatchObject(unconfirmed);
    expect(await failure(grid.remove(later(one, 60_000), inTime()))).toMatchObject({
      outcome: 'none',
      mayLookAgain: true,
    });
  });
}

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`${text} is no network`);
  return parsed;
}
