/** Host blocks in virtual time: the core of the product over a grid that the test can take away, fill by hand and fail over. */
import { describe, expect, test } from 'vitest';
import { chanceOf } from './chance.ts';
import type { World } from './daemon-run.ts';
import { GridMembers } from './grid-members.ts';
import type { PathTroubles } from './network-path.ts';
import { SimHost } from './sim-host.ts';
import { VirtualTime } from './virtual-time.ts';

const minutes = 60_000;
const hours = 60 * minutes;

class Site {
  readonly time = new VirtualTime();
  readonly members: GridMembers;
  readonly hosts: SimHost[] = [];
  readonly requests: string[] = [];
  readonly log: string[] = [];
  troubles: PathTroubles = {};
  blockSize = 8;

  constructor({ hosts = 1, subnet = '10.0.0.0/26' } = {}) {
    this.members = new GridMembers(this.time, (contents) => void contents.add('network', { network: subnet }), 1);
    const world: World = {
      ...{ time: this.time, members: this.members, subnet, chance: chanceOf(1) },
      blockSizeOf: () => this.blockSize,
      troubles: () => this.troubles,
      onArrival: ({ method, url }) => this.requests.push(`${method} ${new URL(url).pathname.split('/')[3]}`),
      log: (line) => this.log.push(line),
    };
    for (let index = 0; index < hosts; index += 1) {
      const host = new SimHost(`host-${index}`, world);
      host.start();
      this.hosts.push(host);
    }
  }

  /** Lets time go by until a promise settles, or for so long. */
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

  /** @returns the address */
  async add(containerId: string, host = 0): Promise<string> {
    const one = this.hosts[host] ?? expect.fail('no host');
    const netns = one.addNamespace(containerId);
    const answer = await this.settle(this.run(host).add({ containerId, netns, callId: containerId }, noSignal));
    answer.delivered();
    return answer.address;
  }

  del(containerId: string, host = 0): Promise<void> {
    return this.settle(this.run(host).del(containerId));
  }

  run(host = 0) {
    return this.hosts[host]?.run ?? expect.fail('no daemon');
  }

  /** What of the grid's objects of a type is seen: the comments. */
  get ranges(): { first: string; last: string; comment: string }[] {
    return this.members.contents.objects('range').map(({ start_addr, end_addr, comment }) => {
      return { first: String(start_addr), last: String(end_addr), comment: String(comment ?? '') };
    });
  }

  /** A host with a block that serves, and an address outside of it. */
  static async serving(options: { hosts?: number; subnet?: string } = {}): Promise<Site> {
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

  holder(address: string): string | undefined {
    return this.members.holders().find((one) => one.address === address)?.comment;
  }
}

const noSignal = new AbortController().signal;

describe('a block of a host', () => {
  test('is taken after the first ADD of a network, and serves a minute later, once the grid has shown it alone', async () => {
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
    expect(site.isInBlock(await site.add('c2'))).toBe(false);
    await site.pass(20_000);
    expect(site.isInBlock(await site.add('c3'))).toBe(true);
  });

  test('costs no request before the answer, and one create right after', async () => {
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

  test('is asked for before the network is known to be there: nothing but the block is needed', async () => {
    const site = await Site.serving();
    site.members.setUp(false);
    const addresses = [await site.add('c1'), await site.add('c2')];
    expect(addresses.map((one) => site.isInBlock(one))).toEqual([true, true]);
    await site.del('c1');
    await expect(site.settle(site.run().check('c2', addresses[1] ?? ''))).rejects.toMatchObject({
      reason: 'unreachable',
    });
    expect(await site.add('c2')).toBe(addresses[1]);
    site.members.setUp(true);
    await site.pass(2 * minutes);
    expect([site.holder(addresses[0] ?? ''), site.holder(addresses[1] ?? '')]).toEqual([
      undefined,
      expect.stringContaining('container=c2'),
    ]);
    await site.settle(site.run().check('c2', addresses[1] ?? ''));
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

  test('serves after a restart of the daemon once the grid has confirmed it to the new one', async () => {
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

  test('is followed by another one when less than a quarter of it is left', async () => {
    const site = await Site.serving();
    for (let n = 0; n < 6; n += 1) await site.add(`c${n}`);
    await site.pass(2 * minutes);
    expect(site.ranges).toHaveLength(1);
    await site.add('c6');
    await site.pass(2 * minutes);
    expect(site.ranges).toHaveLength(2);
  });

  test('goes back an hour after it became empty beside another one, and the last one after a day without an ADD', async () => {
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

describe('a block that is not what it was', () => {
  test.each<[string, (site: Site) => void, RegExp]>([
    ['is gone', (site) => site.members.byHand('DELETE', refOf(site)), /is gone from the grid/],
    [
      'was renamed',
      (site) => site.members.byHand('PUT', refOf(site), { comment: `${site.block().comment} (DDI)` }),
      /is gone from the grid/,
    ],
  ])('gives nothing any more when it %s, and says why', async (_, change, why) => {
    const site = await Site.serving();
    change(site);
    await site.pass(5 * minutes);
    const address = await site.add('c1');
    expect(site.ranges.some((_one, index) => site.isInBlock(address, index))).toBe(false);
    expect(site.run().conditions().join('\n')).toMatch(why);
  });

  test('with a reservation of this host of which it knows nothing gives nothing: two machines may live on one state', async () => {
    const site = await Site.serving();
    const { first } = site.block();
    const comment = 'infoblox-cni cluster=sim node=host-0 network=net-1 container=ghost interface=eth0';
    site.members.byHand('POST', 'fixedaddress', {
      ipv4addr: first,
      match_client: 'RESERVED',
      mac: '00:00:00:00:00:00',
      comment,
    });
    await site.pass(5 * minutes);
    expect(site.isInBlock(await site.add('c1'))).toBe(false);
    expect(site.run().conditions().join('\n')).toMatch(/block-shared .*container=ghost/);
    site.members.byHand(
      'DELETE',
      site.members.contents.fixedAddresses().find((one) => one.comment === comment)?._ref ?? '',
    );
    await site.pass(5 * minutes);
    expect(site.isInBlock(await site.add('c2'))).toBe(true);
    expect(site.run().conditions()).toEqual([]);
  });

  test('has what a person takes inside: found at the create, said of the container, and not given again', async () => {
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

  test('leave a requested address in the block of another one alone, and name it', async () => {
    const site = await Site.serving({ hosts: 2 });
    const { first } = site.block();
    const request = { containerId: 'c1', netns: '/x', callId: 'c1', requested: first };
    await expect(site.settle(site.run(1).add(request, noSignal))).rejects.toMatchObject({
      reason: 'address-unavailable',
      message: `the requested address ${first} lies in a block of host host-0`,
    });
    expect((await site.settle(site.run(0).add(request, noSignal))).address).toBe(first);
  });
});

function refOf(site: Site): string {
  return String(site.members.contents.objects('range')[0]?._ref);
}
