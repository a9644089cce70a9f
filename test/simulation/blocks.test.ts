/** Host blocks in virtual time: the core of the product with a grid that a test can stop, fill by hand and fail over. */
import { describe, expect, test } from 'vitest';
import { addressBeside, type Interval, offsetIn } from '../../src/infoblox/address.ts';
import { drain } from '../../src/infoblox/lease/block/block.ts';
import { chanceOf } from './chance.ts';
import type { World } from './daemon-run.ts';
import { GridMembers, type HttpRequest } from './grid-members.ts';
import type { Arranged, PathTroubles } from './network-path.ts';
import { SimHost } from './sim-host.ts';
import { VirtualTime } from './virtual-time.ts';

const minutes = 60_000;
const hours = 60 * minutes;

interface SiteOptions {
  readonly hosts?: number;
  /** Whether the configuration names no subnet. */
  readonly isByName?: boolean;
  readonly subnet?: string;
  readonly blockValidityMs?: number;
}

class Site {
  readonly time = new VirtualTime();
  readonly members: GridMembers;
  readonly hosts: SimHost[] = [];
  readonly requests: string[] = [];
  readonly log: string[] = [];
  troubles: PathTroubles = {};
  arranged = (_request: HttpRequest): Arranged | undefined => undefined;
  blockSize = 8;
  /** Configuration of hosts with another block size. */
  readonly blockSizes = new Map<string, number>();
  range: Interval | undefined;
  exclude: readonly string[] | undefined;
  gateway = '10.0.0.1';
  cooldownMs = 0;

  constructor({ hosts = 1, isByName = false, ...options }: SiteOptions = {}) {
    const { subnet = '10.0.0.0/26', blockValidityMs = 10 * minutes } = options;
    const first = isByName ? 'networkcontainer' : 'network';
    this.members = new GridMembers(this.time, (contents) => void contents.add(first, { network: subnet }), 1);
    const world: World = {
      ...{ time: this.time, members: this.members, chance: chanceOf(1), blockValidityMs },
      config: (host) => {
        const { gateway, range, exclude, cooldownMs } = this;
        const blockSize = this.blockSizes.get(host) ?? this.blockSize;
        const place = isByName ? { containers: subnet } : { subnet };
        return { view: 'default', ...place, gateway, range, exclude, blockSize, cooldownMs };
      },
      troubles: () => this.troubles,
      arranged: (request) => this.arranged(request),
      onArrival: ({ method, url }) => this.requests.push(`${method} ${new URL(url).pathname.split('/')[3]}`),
      log: (line) => this.log.push(line),
    };
    for (let index = 0; index < hosts; index += 1) {
      const host = new SimHost(`host-${index}`, world);
      host.start();
      this.hosts.push(host);
    }
  }

  /** Lets time pass until a promise settles, or the given time is over. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.time.now + milliseconds;
    while (await this.time.step(end));
    this.time.goTo(end);
  }

  async settle<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const watched = work.finally(() => {
      isOver = true;
    });
    watched.catch(() => undefined);
    const end = this.time.now + 60_000;
    while (!isOver && (await this.time.step(end)));
    return watched;
  }

  /** Runs an ADD. @returns the address */
  async add(containerId: string, host = 0): Promise<string> {
    const one = this.hosts[host] ?? expect.fail('no host');
    const netns = one.addNamespace(containerId);
    const answer = await this.settle(this.run(host).add({ containerId, netns, callId: containerId }, noSignal));
    return answer.given[0]?.address ?? '';
  }

  del(containerId: string, host = 0): Promise<void> {
    return this.settle(this.run(host).del(containerId));
  }

  run(host = 0) {
    return this.hosts[host]?.run ?? expect.fail('no daemon');
  }

  /** Lists the comments of the grid's objects of a type. */
  get ranges(): { first: string; last: string; comment: string }[] {
    return this.members.contents.objects('range').map(({ start_addr, end_addr, comment }) => {
      return { first: String(start_addr), last: String(end_addr), comment: String(comment ?? '') };
    });
  }

  /** Makes a host with a serving block, and a lease outside of it. */
  static async serving(options: SiteOptions = {}): Promise<Site> {
    const site = new Site(options);
    await site.pass(1_000);
    await site.add('first');
    await site.pass(2 * minutes);
    site.requests.length = 0;
    return site;
  }

  block(index = 0) {
    return this.ranges[index] ?? expect.fail('no block');
  }

  isInBlock(address: string, index = 0): boolean {
    const part = (one: string) => Number(one.split('.')[3]);
    const { first, last } = this.block(index);
    return part(first) <= part(address) && part(address) <= part(last);
  }

  /** Reserves an address under a mark of the first host that its state does not know. @returns removes it */
  addGhost(address = this.block().first): () => void {
    const comment = 'infoblox-cni cluster=sim node=host-0 network=net-1 container=ghost interface=eth0';
    const fields = { ipv4addr: address, match_client: 'RESERVED', mac: '00:00:00:00:00:00', comment };
    const { body } = this.members.byHand('POST', 'fixedaddress', fields);
    return () => void this.members.byHand('DELETE', JSON.parse(body));
  }

  holder(address: string): string | undefined {
    return this.members.holders().find((one) => one.address === address)?.comment;
  }
}

const noSignal = new AbortController().signal;

describe('a block of a host', () => {
  test('is taken after the first ADD of a network, and serves a minute later, when the grid shows no overlap', async () => {
    const site = new Site();
    await site.pass(1_000);
    await site.add('c1');
    await site.pass(50_000);
    expect(site.ranges).toEqual([
      {
        first: expect.any(String),
        last: expect.any(String),
        comment: expect.stringMatching(
          /^infoblox-cni cluster=sim node=host-0 network=net-1 block=[0-9a-f]{8}\.[0-9a-f]{16}$/,
        ),
      },
    ]);
    const [range] = site.members.contents.objects('range');
    expect(range).toMatchObject({ name: 'block of host-0', extattrs: { 'Network Name': { value: 'net-1' } } });
    expect(site.isInBlock(await site.add('c2'))).toBe(false);
    await site.pass(20_000);
    expect(site.isInBlock(await site.add('c3'))).toBe(true);
  });

  test('costs no request before the answer of an ADD, and one create after it', async () => {
    const site = await Site.serving();
    const [address, before] = [await site.add('c1'), site.requests.length];
    expect([before, site.isInBlock(address), site.holder(address)]).toEqual([0, true, undefined]);
    await site.pass(1_000);
    expect(site.requests).toEqual(['POST fixedaddress']);
    expect(site.holder(address)).toContain('container=c1');
    await site.del('c1');
    await site.pass(1_000);
    expect(site.requests).toEqual(['POST fixedaddress', 'GET fixedaddress', 'DELETE fixedaddress']);
    expect(site.holder(address)).toBeUndefined();
    await site.pass(4 * minutes);
    expect(site.requests.slice(3).sort()).toEqual(['GET ipv4address', 'GET range']);
  });

  test('gives the address that has rested longest', async () => {
    const site = await Site.serving();
    const given: string[] = [];
    for (let n = 0; n < 6; n += 1) given.push(await site.add(`c${n}`));
    expect(new Set(given).size).toBe(6);
    for (const n of [3, 1]) await site.del(`c${n}`);
    await site.pass(1_000);
    const rest = [await site.add('d0'), await site.add('d1'), await site.add('d2'), await site.add('d3')];
    expect(given).not.toContain(rest[0]);
    expect(given).not.toContain(rest[1]);
    expect(rest.slice(2)).toEqual([given[3], given[1]]);
  });

  test('gives the address that has rested longest if block and network are full', async () => {
    const site = new Site();
    site.cooldownMs = 60 * minutes;
    await site.pass(1_000);
    await site.add('first');
    await site.pass(2 * minutes);
    const given: string[] = [];
    for (let n = 0; n < 8; n += 1) given.push(await site.add(`c${n}`));
    await site.pass(2_000);
    const theirs = { match_client: 'RESERVED', mac: '00:00:00:00:00:00', comment: 'theirs' };
    const next = 'func:nextavailableip:10.0.0.0/26';
    while (site.members.byHand('POST', 'fixedaddress', { ...theirs, ipv4addr: next }).status === 201);
    for (let n = 0; n < 8; n += 1) await site.del(`c${n}`);
    await site.pass(2_000);
    expect(await site.add('d0')).toBe(given[0]);
    const { store } = site.run().leases;
    expect(store.where(({ phase }) => phase === 'releasing')).toHaveLength(7);
    expect(site.log.join('\n')).toContain('no free address except resting ones');
  });

  test('gives a resting address to the container that requests it', async () => {
    const site = await Site.serving();
    site.cooldownMs = 60 * minutes;
    const address = await site.add('c1');
    await site.pass(2_000);
    await site.del('c1');
    await site.pass(2_000);
    expect(site.holder(address)).toContain('container=c1');
    const request = { containerId: 'c2', netns: '/x', callId: 'c2', requested: address };
    expect((await site.settle(site.run().add(request, noSignal))).given[0]?.address).toBe(address);
    await site.pass(2_000);
    expect(site.holder(address)).toContain('container=c2');
  });

  test('serves before the network is looked up', async () => {
    const site = await Site.serving();
    site.members.setUp(false);
    const addresses = [await site.add('c1'), await site.add('c2')];
    expect(addresses.map((one) => site.isInBlock(one))).toEqual([true, true]);
    await site.del('c1');
    await expect(site.settle(site.run().check('c2', addresses.slice(1)))).rejects.toMatchObject({
      reason: 'unreachable',
    });
    expect(await site.add('c2')).toBe(addresses[1]);
    site.members.setUp(true);
    await site.pass(2 * minutes);
    expect([site.holder(addresses[0] ?? ''), site.holder(addresses[1] ?? '')]).toEqual([
      undefined,
      expect.stringContaining('container=c2'),
    ]);
    await site.settle(site.run().check('c2', addresses.slice(1)));
  });

  test('serves for ten minutes after its last confirmation, and again when the grid is back', async () => {
    const site = await Site.serving();
    site.members.setUp(false);
    await site.pass(5 * minutes);
    expect(site.isInBlock(await site.add('c1'))).toBe(true);
    await site.pass(6 * minutes);
    await expect(site.add('c2')).rejects.toMatchObject({ reason: 'unreachable' });
    site.members.setUp(true);
    await site.pass(2 * minutes);
    expect(site.isInBlock(await site.add('c3'))).toBe(true);
  });

  test('is confirmed first when the grid is back, before owed creates and releases', async () => {
    const site = await Site.serving();
    site.members.setUp(false);
    for (let n = 0; n < 3; n += 1) await site.add(`c${n}`);
    await site.del('first');
    await site.pass(2 * minutes);
    site.requests.length = 0;
    site.members.setUp(true);
    await site.pass(1 * minutes);
    const writes = site.requests.filter((one) => /^(POST|DELETE)/.test(one));
    expect(writes).toEqual([...Array.from({ length: 3 }, () => 'POST fixedaddress'), 'DELETE fixedaddress']);
    const before = site.requests.slice(0, site.requests.indexOf('POST fixedaddress'));
    expect(before).toEqual(expect.arrayContaining(['GET range', 'GET ipv4address']));
  });

  test('that is visited slowly after an outage delays no look at recent reservations', async () => {
    const site = await Site.serving();
    const { store } = site.run().leases;
    const due = () => store.where(() => true).map(({ dueAt }) => dueAt);
    site.members.setUp(false);
    await site.pass(6 * minutes);
    expect(due()).toEqual([null]);
    const isVisit = (url: string) => /range|ipv4address/.test(url);
    site.arranged = ({ url }) => (isVisit(url) ? { fate: 'slowAnswer', ms: 14_000 } : undefined);
    site.members.setUp(true);
    while (site.run().conditions().length > 0) await site.pass(100);
    expect(due()).toEqual([expect.any(Number)]);
  });

  test('serves for --block-validity only if it was confirmed an hour after it was taken', async () => {
    const site = await Site.serving({ blockValidityMs: 24 * hours });
    site.members.setUp(false);
    await site.pass(11 * minutes);
    await expect(site.add('c1')).rejects.toMatchObject({ reason: 'unreachable' });
    site.members.setUp(true);
    await site.pass(60 * minutes);
    site.members.setUp(false);
    await site.pass(23 * hours);
    expect(site.isInBlock(await site.add('c2'))).toBe(true);
    await site.pass(2 * hours);
    await expect(site.add('c3')).rejects.toMatchObject({ reason: 'unreachable' });
  });

  test.each([
    ['forward', 86_400_000],
    ['back', -86_400_000],
  ])('does not serve longer because the clock was set %s', async (_, by) => {
    const site = await Site.serving();
    site.members.setUp(false);
    site.hosts[0]?.setClock(by);
    await site.pass(11 * minutes);
    await expect(site.add('c1')).rejects.toMatchObject({ reason: 'unreachable' });
  });

  test('does not become an hour old by setting the clock, as a promoted master may lack it', async () => {
    const site = await Site.serving({ blockValidityMs: 24 * hours });
    site.hosts[0]?.setClock(2 * hours);
    await site.pass(6 * minutes);
    site.members.setUp(false);
    await site.pass(11 * minutes);
    await expect(site.add('c1')).rejects.toMatchObject({ reason: 'unreachable' });
  });

  test('serves after a restart of the daemon once the grid has confirmed it again', async () => {
    const site = await Site.serving();
    const [host] = site.hosts;
    site.members.setUp(false);
    host?.kill();
    host?.start();
    await expect(site.add('c1')).rejects.toMatchObject({ reason: 'unreachable' });
    site.members.setUp(true);
    await site.pass(1 * minutes);
    expect(site.isInBlock(await site.add('c2'))).toBe(true);
  });

  test('is confirmed before the first ADDs after a start, which then get its addresses', async () => {
    const site = await Site.serving();
    const [host] = site.hosts;
    host?.kill();
    host?.start();
    const calls = Array.from({ length: 5 }, (_, n) => {
      return site.run().add({ containerId: `c${n}`, netns: '/x', callId: `c${n}` }, noSignal);
    });
    const answers = await site.settle(Promise.all(calls));
    expect(answers.filter(({ given }) => !site.isInBlock(given[0]?.address ?? ''))).toEqual([]);
    await site.pass(1_000);
    const before = site.requests.slice(0, site.requests.indexOf('POST fixedaddress'));
    expect(before).toEqual(expect.arrayContaining(['GET range', 'GET ipv4address']));
    await site.pass(1 * minutes);
    expect(site.requests.filter((one) => one === 'GET range')).toHaveLength(1);
  });

  test('serves the first ADDs after a start before slow visits to other blocks have ended', async () => {
    const site = await Site.serving();
    for (let n = 0; n < 7; n += 1) await site.add(`c${n}`);
    await site.pass(2 * minutes);
    const [host] = site.hosts;
    host?.kill();
    const { last } = site.block(1);
    site.arranged = ({ url }) => (decodeURIComponent(url).includes(last) ? { fate: 'silence' } : undefined);
    host?.start();
    const startedAt = site.time.now;
    expect(site.isInBlock(await site.add('d0'))).toBe(true);
    expect(site.time.now - startedAt).toBeLessThan(5_000);
  });

  test('is followed by another one when less than a quarter of it is left', async () => {
    const site = await Site.serving();
    for (let n = 0; n < 6; n += 1) await site.add(`c${n}`);
    await site.pass(2 * minutes);
    expect(site.ranges).toHaveLength(1);
    await site.add('c6');
    await site.pass(2 * minutes);
    expect(site.ranges).toHaveLength(2);
  });

  test('that is refused is requested seldom, even if a candidate is the first host of the grid', async () => {
    const site = new Site();
    site.members.byHand('POST', 'range', { start_addr: '10.0.0.20', end_addr: '10.0.0.55', comment: 'theirs' });
    await site.pass(1_000);
    await site.add('first');
    await site.pass(2 * minutes);
    site.members.failOver();
    for (let n = 0; n < 7; n += 1) await site.add(`c${n}`);
    await site.pass(20_000);
    site.members.rejoin();
    await site.pass(1 * minutes);
    site.requests.length = 0;
    await site.pass(5 * minutes);
    expect(site.requests.length).toBeLessThan(10);
  });

  test('is returned an hour after it became empty beside another one, and the last one after a day without an ADD', async () => {
    const site = await Site.serving();
    for (let n = 0; n < 8; n += 1) await site.add(`c${n}`);
    await site.pass(2 * minutes);
    const [, young] = site.ranges;
    expect(site.isInBlock(await site.add('d0'), 1)).toBe(true);
    for (let n = 0; n < 8; n += 1) await site.del(`c${n}`);
    await site.pass(1 * minutes);
    await site.pass(55 * minutes);
    expect(site.ranges).toHaveLength(2);
    await site.pass(20 * minutes);
    expect(site.ranges).toEqual([young]);
    await site.pass(30 * hours);
    expect(site.ranges).toEqual([young]);
    await site.del('d0');
    await site.pass(10 * minutes);
    expect(site.ranges).toEqual([]);
  });
});

describe('a changed block', () => {
  test.each<[string, (site: Site) => void, RegExp]>([
    ['is gone', (site) => site.members.byHand('DELETE', refOf(site)), /is gone from the grid/],
    [
      'was renamed',
      (site) => site.members.byHand('PUT', refOf(site), { comment: `${site.block().comment} (DDI)` }),
      /is gone from the grid/,
    ],
  ])('stops serving with a reason when it %s', async (_, change, why) => {
    const site = await Site.serving();
    change(site);
    await site.pass(5 * minutes);
    const address = await site.add('c1');
    expect(site.ranges.some((_one, index) => site.isInBlock(address, index))).toBe(false);
    expect(site.run().conditions().join('\n')).toMatch(why);
  });

  test('stops serving if it has an unknown reservation of this host, as two machines may use one state', async () => {
    const site = await Site.serving();
    const removeGhost = site.addGhost();
    await site.pass(5 * minutes);
    expect(site.isInBlock(await site.add('c1'))).toBe(false);
    expect(site.run().conditions().join('\n')).toMatch(/block-shared .*container=ghost/);
    removeGhost();
    await site.pass(5 * minutes);
    expect(site.isInBlock(await site.add('c2'))).toBe(true);
    expect(site.run().conditions()).toEqual([]);
  });

  test('has the condition of each cause until that cause is gone', async () => {
    const site = await Site.serving();
    const { first, last } = site.block();
    await site.add('c1');
    const { conditions } = site.run();
    const kinds = () => conditions().map((one) => one.split(' ')[0]);
    const removeGhost = site.addGhost(last);
    site.members.byHand('PUT', refOf(site), { start_addr: first, end_addr: addressBeside(last, -1) });
    await site.pass(5 * minutes);
    expect(kinds().sort()).toEqual(['block-altered', 'block-shared']);
    removeGhost();
    await site.pass(5 * minutes);
    expect(kinds()).toEqual(['block-altered']);
    site.members.byHand('PUT', refOf(site), { start_addr: first, end_addr: last });
    site.addGhost(last);
    await site.pass(5 * minutes);
    expect(kinds()).toEqual(['block-shared']);
  });

  test.each<[string, (site: Site) => void]>([
    ['another machine uses it', (site) => site.addGhost()],
    [
      'a person has changed it',
      (site) => site.members.byHand('PUT', refOf(site), { end_addr: addressBeside(site.block().last, -1) }),
    ],
  ])('never serves if %s within its first minute, and is not said to overlap another range', async (_, change) => {
    const site = new Site();
    await site.pass(1_000);
    await site.add('first');
    await site.pass(30_000);
    change(site);
    await site.pass(1 * minutes);
    expect(
      site
        .run()
        .leases.store.blocks()
        .filter(({ phase }) => phase === 'held'),
    ).toEqual([]);
    expect(site.log.join('\n')).not.toContain('overlaps another range');
  });

  test('loses an address that a person takes, which the create finds and the container’s condition reports', async () => {
    const site = await Site.serving();
    const { first } = site.block();
    site.members.byHand('POST', 'fixedaddress', {
      ipv4addr: first,
      match_client: 'RESERVED',
      mac: '00:00:00:00:00:00',
      comment: 'a person',
    });
    expect(await site.add('c1')).toBe(first);
    await site.pass(2_000);
    expect(site.run().conditions().join('\n')).toMatch(
      /reservation-lost.*block-refused|block-refused.*reservation-lost/s,
    );
    expect(site.isInBlock(await site.add('c2'))).toBe(false);
    await site.pass(5 * minutes);
    const next = await site.add('c3');
    expect([site.isInBlock(next), next === first]).toEqual([true, false]);
  });
});

describe('hosts that share a network', () => {
  test('take blocks of their own', async () => {
    const site = new Site({ hosts: 3, subnet: '10.0.0.0/25' });
    await site.pass(1_000);
    await Promise.all([0, 1, 2].map((host) => site.add(`c${host}`, host)));
    await site.pass(3 * minutes);
    expect(new Set(site.ranges.map(({ first }) => first)).size).toBe(3);
    const addresses = await Promise.all([0, 1, 2].map((host) => site.add(`d${host}`, host)));
    expect(new Set(addresses).size).toBe(3);
  });

  test('refuse a gateway in a block of another host, and name that host', async () => {
    const site = await Site.serving({ hosts: 2 });
    const { first } = site.block();
    site.members.byHand(
      'DELETE',
      String(site.members.contents.fixedAddresses().find(({ name }) => name === 'gateway')?._ref),
    );
    site.gateway = first;
    site.hosts[1]?.kill();
    site.hosts[1]?.start();
    await expect(site.add('c1', 1)).rejects.toMatchObject({
      reason: 'network-conflict',
      message: `gateway ${first} of network net-1 lies in a block of host host-0`,
    });
  });

  test('refuse a requested address in a block of another host, and name that host', async () => {
    const site = await Site.serving({ hosts: 2 });
    const { first } = site.block();
    const request = { containerId: 'c1', netns: '/x', callId: 'c1', requested: first };
    await expect(site.settle(site.run(1).add(request, noSignal))).rejects.toMatchObject({
      reason: 'address-unavailable',
      message: `the requested address ${first} lies in a block of host host-0`,
    });
    expect((await site.settle(site.run(0).add(request, noSignal))).given[0]?.address).toBe(first);
  });

  test('refuse a requested address in an own block that does not serve', async () => {
    const site = await Site.serving();
    const { first } = site.block();
    site.run().leases.blocks.release(true);
    const request = { containerId: 'c1', netns: '/x', callId: 'c1', requested: first };
    await expect(site.settle(site.run().add(request, noSignal))).rejects.toMatchObject({
      reason: 'address-unavailable',
      message: `the requested address ${first} lies in a block of host host-0`,
    });
  });
});

describe('a range that hosts share in blocks', () => {
  const sharing = async (options: SiteOptions = {}, range = { first: '10.0.0.8', last: '10.0.0.55' }) => {
    const site = new Site(options);
    site.range = range;
    await site.pass(1_000);
    return site;
  };
  const spans = (site: Site) => site.ranges.map(({ first, last }) => `${first}-${last}`);
  const firsts = ['8', '16', '24', '32', '40', '48'].map((part) => `10.0.0.${part}`);

  test('gives addresses from the first ADD on, as the grid assigns from a block of this host until that serves', async () => {
    const site = await sharing();
    const first = await site.add('c1');
    expect([site.isInBlock(first), firsts.includes(site.block().first), site.ranges.length]).toEqual([true, true, 1]);
    expect(site.requests.slice(-4)).toEqual(['GET range', 'GET ipv4address', 'POST range', 'POST fixedaddress']);
    site.requests.length = 0;
    expect(site.isInBlock(await site.add('c2'))).toBe(true);
    expect(site.requests).toEqual(['POST fixedaddress']);
    await site.pass(2 * minutes);
    site.requests.length = 0;
    expect([site.isInBlock(await site.add('c3')), site.requests]).toEqual([true, []]);
    expect(site.ranges).toHaveLength(1);
  });

  test('has room for all, as an ADD takes another block if those of its host are full', async () => {
    const site = await sharing();
    const given: string[] = [];
    for (let n = 0; n < 48; n += 1) given.push(await site.add(`c${n}`));
    expect(new Set(given).size).toBe(48);
    expect(site.ranges.map(({ first }) => first).sort()).toEqual([...firsts].sort());
    await expect(site.add('one more')).rejects.toMatchObject({
      reason: 'no-free-address',
      message: 'no free address in 10.0.0.8-10.0.0.55 (view default)',
      hint: expect.stringContaining('hosts have all of it in blocks'),
    });
    await site.del('c7');
    expect(await site.add('again')).toBe(given[7]);
  });

  test('is full until another host gives a block back, which the next STATUS calls show', async () => {
    const site = await sharing({ hosts: 2 });
    await site.add('first', 0);
    for (let n = 0; n < 40; n += 1) await site.add(`c${n}`, 1);
    await expect(site.add('one more', 1)).rejects.toMatchObject({ reason: 'no-free-address' });
    const { exhaustion } = site.run(1).leases;
    const status = async () => {
      for (const pool of exhaustion.full) exhaustion.known(pool);
      await site.pass(15_000);
      return exhaustion.full.length;
    };
    expect([await status(), await status()]).toEqual([1, 1]);
    const { leases, keeper } = site.run(0);
    leases.blocks.release(true);
    await site.del('first', 0);
    await site.pass(2_000);
    await site.settle(keeper.lookAtAll());
    expect([site.ranges.length, await status()]).toEqual([5, 0]);
  });

  test('is shared by many ADDs of several hosts at once, none of which takes more blocks than needed', async () => {
    const site = await sharing({ hosts: 3 });
    const calls = Array.from({ length: 30 }, (_, n) => {
      return site.run(n % 3).add({ containerId: `c${n}`, netns: '/x', callId: `c${n}` }, noSignal);
    });
    const answers = await site.settle(Promise.all(calls));
    expect(new Set(answers.map(({ given }) => given[0]?.address)).size).toBe(30);
    expect(site.ranges).toHaveLength(6);
  });

  test('is shared in the smallest blocks by hosts without block-size, if others have blocks there', async () => {
    const site = await sharing({ hosts: 2, subnet: '10.0.0.0/24' }, { first: '10.0.0.64', last: '10.0.0.191' });
    site.blockSizes.set('host-0', 32).set('host-1', 0);
    await site.add('c1', 0);
    expect(site.isInBlock(await site.add('c2', 1), 1)).toBe(true);
    const sizes = site.ranges.map(({ first, last }) => offsetIn({ first }, last) + 1);
    expect(sizes).toEqual([32, 8]);
    await site.pass(2 * minutes);
    site.requests.length = 0;
    expect([site.isInBlock(await site.add('c3', 1), 1), site.requests]).toEqual([true, []]);
  });

  test('is not shared if the grid has one range for the whole, which a host with block-size uses, too', async () => {
    const site = await sharing({ hosts: 2 });
    site.blockSizes.set('host-0', 0);
    expect(await site.add('c1', 0)).toBe('10.0.0.8');
    expect(await site.add('c2', 1)).toBe('10.0.0.9');
    await site.pass(2 * minutes);
    expect(spans(site)).toEqual(['10.0.0.8-10.0.0.55']);
    expect(site.run(1).conditions()).toEqual([]);
  });

  test.each([
    ['has none', '10.0.0.20'],
    ['has some', undefined],
  ])(
    'is not shared any more after somebody made one range for the whole, which a host that %s of its blocks uses',
    async (_, requested) => {
      const site = await sharing();
      await site.settle(site.run().add({ containerId: 'c1', netns: '/x', callId: 'c1', requested }, noSignal));
      for (const { _ref } of site.members.ranges) site.members.byHand('DELETE', _ref);
      const comment = 'infoblox-cni range of network=net-1';
      site.members.byHand('POST', 'range', { start_addr: '10.0.0.8', end_addr: '10.0.0.55', comment });
      expect(['10.0.0.8', '10.0.0.9']).toContain(await site.add('c2'));
      expect(spans(site)).toEqual(['10.0.0.8-10.0.0.55']);
    },
  );

  test('has no block with an excluded address', async () => {
    const site = await sharing();
    site.exclude = ['10.0.0.9', '10.0.0.18-10.0.0.50'];
    await expect(site.add('c1')).rejects.toMatchObject({ reason: 'no-free-address' });
    site.exclude = ['10.0.0.9', '10.0.0.18-10.0.0.47'];
    expect(site.isInBlock(await site.add('c2'))).toBe(true);
    expect(spans(site)).toEqual(['10.0.0.48-10.0.0.55']);
  });

  test('gets another block if somebody removes all that this host has', async () => {
    const site = await sharing();
    for (let n = 0; n < 9; n += 1) await site.add(`c${n}`);
    expect(site.ranges.length).toBeGreaterThan(1);
    for (const { _ref } of site.members.ranges) site.members.byHand('DELETE', _ref);
    expect(site.isInBlock(await site.add('c9'))).toBe(true);
    expect(site.ranges).toHaveLength(1);
  });

  test('gives a requested address outside all blocks, and refuses one in a block of another host', async () => {
    const site = await sharing({ hosts: 2 });
    await site.add('c1', 0);
    const { first } = site.block();
    const wanted = (requested: string) =>
      site.settle(site.run(1).add({ containerId: 'c2', netns: '/x', callId: 'c2', requested }, noSignal));
    await expect(wanted(first)).rejects.toMatchObject({
      message: `the requested address ${first} lies in a block of host host-0`,
    });
    const free = firsts.find((one) => one !== first) ?? '';
    expect((await wanted(free)).given[0]?.address).toBe(free);
    expect(site.ranges).toHaveLength(1);
  });

  test('gives no address on a host that returns its blocks', async () => {
    const site = await sharing();
    await site.add('c1');
    site.run().leases.blocks.release(true);
    await expect(site.add('c2')).rejects.toMatchObject({
      reason: 'no-free-address',
      hint: expect.stringContaining('--undo'),
    });
  });
});

describe('an owed create', () => {
  const reservation = { match_client: 'RESERVED', mac: '00:00:00:00:00:00' };
  const markOf = (containerId: string) =>
    `infoblox-cni cluster=sim node=host-0 network=net-1 container=${containerId} interface=eth0`;

  test('whose answer was lost is looked up, and exists once', async () => {
    const site = await Site.serving();
    site.troubles = { answerLost: 1 };
    const address = await site.add('c1');
    await site.pass(200);
    site.troubles = {};
    await site.pass(2 * minutes);
    expect(site.members.holders().filter((one) => one.comment === markOf('c1'))).toMatchObject([{ address }]);
    expect(site.run().leases.store.get(markOf('c1'))).toMatchObject({ owedSince: null, dueAt: null });
    await site.del('c1');
    await site.pass(2 * minutes);
    expect(site.holder(address)).toBeUndefined();
  });

  test('under way during a DEL is followed by its delete', async () => {
    const site = await Site.serving();
    const address = await site.add('c1');
    for (let step = 0; step < 200 && site.holder(address) === undefined; step += 1) await site.pass(1);
    await site.del('c1');
    await site.pass(1 * minutes);
    expect(site.requests.slice(0, 3)).toEqual(['POST fixedaddress', 'GET fixedaddress', 'DELETE fixedaddress']);
    expect(site.holder(address)).toBeUndefined();
    expect(site.run().leases.store.get(markOf('c1'))).toBeUndefined();
  });

  test('that was never sent leaves nothing to release, so that a DEL frees the address at once', async () => {
    const site = await Site.serving();
    site.members.setUp(false);
    for (let n = 0; n < 30; n += 1) {
      await site.add(`c${n}`);
      await site.del(`c${n}`);
    }
    expect(site.run().leases.store.where(({ mark }) => mark !== markOf('first'))).toEqual([]);
    site.members.setUp(true);
    await site.pass(2 * minutes);
    expect(site.members.holders().map(({ comment }) => comment)).toEqual([
      expect.stringContaining('gateway'),
      markOf('first'),
    ]);
  });

  test('that was sent and lost does not make a DEL report a removed reservation', async () => {
    const site = await Site.serving();
    site.troubles = { dropped: 1 };
    await site.add('c1');
    await site.pass(200);
    site.troubles = {};
    await site.del('c1');
    await site.pass(2 * minutes);
    expect(site.run().leases.store.get(markOf('c1'))).toBeUndefined();
    expect(site.log.join('\n')).not.toContain('was removed or changed');
  });

  test('conflicts with a returned reservation of an ended lease after a fail-over, which is released before a retry', async () => {
    const site = await Site.serving();
    const address = await site.add('old');
    await site.pass(1_000);
    await site.del('old');
    await site.pass(1_000);
    site.members.byHand('POST', 'fixedaddress', { ...reservation, ipv4addr: address, comment: markOf('old') });
    for (let n = 0; n < 8; n += 1) await site.add(`c${n}`);
    await site.pass(1 * minutes);
    expect(site.holder(address)).toContain('container=c');
    expect(site.run().conditions()).toEqual([]);
  });

  test('waits while the grid is read-only', async () => {
    const site = await Site.serving();
    site.members.setReadOnly(true);
    const address = await site.add('c1');
    await site.pass(2_000);
    expect(site.holder(address)).toBeUndefined();
    site.members.setReadOnly(false);
    await site.pass(3 * minutes);
    expect(site.holder(address)).toBe(markOf('c1'));
  });

  test('that is refused for lack of rights stops the block until the grid accepts it', async () => {
    const site = await Site.serving();
    site.members.setDenied(['fixedaddress']);
    const address = await site.add('c1');
    await site.pass(2_000);
    expect(site.run().conditions().join()).toMatch(/block-refused .*grid refuses the reservation of/);
    await expect(site.add('c2')).rejects.toMatchObject({ reason: 'permission' });
    await site.pass(20 * minutes);
    await expect(site.add('c3')).rejects.toMatchObject({ reason: 'permission' });
    site.members.setDenied([]);
    await site.pass(11 * minutes);
    expect(site.holder(address)).toBe(markOf('c1'));
    expect(site.isInBlock(await site.add('c4'))).toBe(true);
    expect(site.run().conditions()).toEqual([]);
  });

  test('that is refused is a condition until the grid accepts it, also in a block that is being returned', async () => {
    const site = await Site.serving();
    const { blocks, store } = site.run().leases;
    site.members.setDenied(['fixedaddress']);
    await site.add('c1');
    await site.pass(2_000);
    store.applyBlock(site.block().comment, (block) => block && drain(block));
    site.members.setDenied([]);
    await site.pass(11 * minutes);
    expect(blocks.leasesIn(store.blocks()[0] ?? expect.fail('no block'))).toMatchObject([{ owedSince: null }]);
    expect(site.run().conditions()).toEqual([]);
  });

  test('is listed, checked, collected and released like any other lease', async () => {
    const site = await Site.serving();
    site.members.setUp(false);
    const addresses = [await site.add('c1'), await site.add('c2')];
    await site.settle(site.run().gc(['first', 'c2'])).catch(() => undefined);
    expect(site.run().leases.store.where(({ owedSince }) => owedSince !== null)).toMatchObject([
      { mark: markOf('c2'), phase: 'bound', address: addresses[1] },
    ]);
    site.members.setUp(true);
    await site.pass(1 * minutes);
    expect([site.holder(addresses[0] ?? ''), site.holder(addresses[1] ?? '')]).toEqual([undefined, markOf('c2')]);
  });

  test('survives the daemon', async () => {
    const site = await Site.serving();
    site.members.setUp(false);
    const address = await site.add('c1');
    const [host] = site.hosts;
    host?.kill();
    host?.start();
    expect(await site.add('c1')).toBe(address);
    site.members.setUp(true);
    await site.pass(1 * minutes);
    expect(site.holder(address)).toBe(markOf('c1'));
  });
});

describe('blocks are returned', () => {
  test('by command of a person, each when it is empty, and serve again if that is undone', async () => {
    const site = await Site.serving();
    const { leases, keeper } = site.run();
    const address = await site.add('c1');
    leases.blocks.release(true);
    await site.settle(keeper.lookAtAll());
    expect(site.isInBlock(await site.add('c2'))).toBe(false);
    leases.blocks.release(false);
    expect(site.isInBlock(await site.add('c3'))).toBe(true);
    leases.blocks.release(true);
    for (const id of ['c1', 'c3']) await site.del(id);
    await site.pass(1 * minutes);
    expect([site.ranges, site.holder(address)]).toEqual([[], undefined]);
    await site.add('c4');
    await site.pass(3 * minutes);
    expect(site.ranges).toEqual([]);
  });

  test('not while the grid has an unknown reservation of this host in one, which a condition names', async () => {
    const site = await Site.serving();
    await site.del('first');
    const { leases, keeper, conditions } = site.run();
    leases.blocks.release(true);
    const removeGhost = site.addGhost();
    await site.settle(keeper.lookAtAll());
    expect([site.ranges.length, conditions().join()]).toEqual([1, expect.stringMatching(/block-shared .*=ghost/)]);
    removeGhost();
    await site.pass(1 * minutes);
    expect([site.ranges, conditions()]).toEqual([[], []]);
  });

  test.each([16, 0])('if the configuration asks for blocks of %s addresses', async (size) => {
    const site = await Site.serving();
    const [before] = site.ranges;
    site.blockSize = size;
    expect(site.isInBlock(await site.add('c1'))).toBe(false);
    await site.pass(10 * minutes);
    expect(site.ranges).toHaveLength(size === 0 ? 0 : 1);
    expect(site.ranges).not.toContainEqual(before);
  });

  test('if their network was removed, and its name is that of another one now', async () => {
    const site = new Site({ isByName: true, subnet: '10.0.0.0/24' });
    site.gateway = '0.0.0.1';
    await site.pass(1_000);
    await site.add('first');
    await site.pass(2 * minutes);
    await site.del('first');
    await site.pass(2_000);
    const [network] = site.members.contents.objects('network');
    site.members.byHand('DELETE', String(network?._ref));
    site.members.byHand('POST', 'network', { network: '10.0.0.128/26', comment: network?.comment });
    await site.pass(5 * minutes);
    expect(await site.add('c1')).toMatch(/^10\.0\.0\.1[3-9]/);
    await site.pass(10 * minutes);
    const { store } = site.run().leases;
    expect([store.blocks(), site.run().conditions()]).toMatchObject([[{ cidr: '10.0.0.128/26', phase: 'held' }], []]);
  });

  test('25 hours after their host was reported lost, unless it reserves again in between', async () => {
    const site = await Site.serving({ hosts: 2 });
    site.hosts[0]?.kill();
    const gone = { cluster: 'sim', node: 'host-0' };
    const { blocks: noted } = await site.settle(site.run(1).keeper.noteGone(gone, { isOff: false }, noSignal));
    expect(noted.map(({ mark }) => mark)).toEqual([site.block().comment]);
    for (const { _ref } of site.members.contents.fixedAddresses()) site.members.byHand('DELETE', _ref);
    await site.pass(24.9 * hours);
    expect(site.ranges).toHaveLength(1);
    await site.pass(12 * minutes);
    expect(site.ranges).toEqual([]);
  });

  test('not if a host that was reported lost has addresses again', async () => {
    const site = await Site.serving({ hosts: 2 });
    const gone = { cluster: 'sim', node: 'host-0' };
    await site.settle(site.run(1).keeper.noteGone(gone, { isOff: true }, noSignal));
    await site.pass(1 * minutes);
    expect([site.ranges.length, site.run(1).leases.store.blocks()]).toEqual([1, []]);
    expect(site.log.join('\n')).toContain('reported lost has addresses again');
  });

  test.each([
    ['resized', { start_addr: '10.0.0.8', end_addr: '10.0.0.60' }],
    ['given a DHCP member', { server_association_type: 'MEMBER', member: { name: 'dhcp-1' } }],
  ])('not if somebody has %s it', async (_, fields) => {
    const site = await Site.serving({ hosts: 2 });
    site.hosts[0]?.kill();
    site.members.byHand('PUT', refOf(site), fields);
    const gone = { cluster: 'sim', node: 'host-0' };
    expect((await site.settle(site.run(1).keeper.noteGone(gone, { isOff: true }, noSignal))).blocks).toEqual([]);
  });

  test('at once if their host is known to be off', async () => {
    const site = await Site.serving({ hosts: 2 });
    site.hosts[0]?.kill();
    for (const { _ref } of site.members.contents.fixedAddresses()) site.members.byHand('DELETE', _ref);
    await site.settle(site.run(1).keeper.noteGone({ cluster: 'sim', node: 'host-0' }, { isOff: true }, noSignal));
    await site.pass(1 * minutes);
    expect(site.ranges).toEqual([]);
  });
});

describe('a lost state', () => {
  test.each([
    ['', 'host-0'],
    [', with the operating system', 'another'],
  ])(
    'stops its earlier blocks%s and takes others, and the earlier ones are returned after a certain reboot',
    async (_, installation) => {
      const site = await Site.serving();
      const [before] = site.ranges;
      await site.add('c1');
      await site.pass(1_000);
      site.hosts[0]?.loseState();
      Object.assign(site.hosts[0] ?? {}, { installation });
      site.hosts[0]?.start();
      await site.pass(1 * minutes);
      expect(site.isInBlock(await site.add('c2'))).toBe(false);
      await site.pass(2 * minutes);
      expect(site.ranges).toHaveLength(2);
      expect(site.ranges).toContainEqual(before);
      expect(site.isInBlock(await site.add('c3'), 1)).toBe(true);
      for (const id of ['first', 'c1', 'c2', 'c3']) await site.del(id);
      await site.pass(20 * minutes);
      expect(site.ranges).toContainEqual(before);
      site.hosts[0]?.reboot();
      site.hosts[0]?.start();
      await site.pass(20 * minutes);
      expect(site.ranges).toHaveLength(1);
      expect(site.ranges).not.toContainEqual(before);
    },
  );
});

function refOf(site: Site): string {
  return String(site.members.contents.objects('range')[0]?._ref);
}
