/** The cost of an ADD that is answered from a host block. */
import { expect, test } from 'vitest';
import { type AddRequest, add } from '../../../../src/infoblox/lease/add.ts';
import { addressesOf } from '../../../../src/infoblox/lease/block/block.ts';
import type { LeaseDeps } from '../../../../src/infoblox/lease/deps.ts';
import { endLease } from '../../../../src/infoblox/lease/endings.ts';
import { releaseAttachment } from '../../../../src/infoblox/lease/release.ts';
import { networkSpec } from '../../../../src/infoblox/network/spec.ts';
import { aBlock } from '../../../fixture/a-block.ts';
import { inTime } from '../wapi/session-fixture.ts';
import { markOf, useLeases } from './lease-fixture.ts';

const fixture = useLeases();
const where = { subnet: '10.0.0.0/24', containers: '', prefixLength: 24, gateway: '10.0.0.1' };
const spec = networkSpec({ name: 'net-1', view: 'default', ...where, keepFirst: false, blockSize: 32 });
const block = aBlock({ first: '10.0.0.32', size: 32 });

function request(containerId: string, requested?: string) {
  const attachment = { network: 'net-1', containerId, ifName: 'eth0' };
  return {
    attachment,
    sets: [[spec]] as const,
    requested: [requested],
    workload: { containerId },
    netns: '/run/netns/x',
    callId: `call-${containerId}`,
  };
}

/** Gives the host a block that serves. */
async function serve(): Promise<void> {
  const { store, deps, grid } = fixture();
  store.setWhole(0);
  store.applyBlock(block.mark, () => block);
  await store.durable();
  deps.blocks.confirm(block, { now: deps.clock.now(), wall: deps.clock.wall(), others: new Set() });
  grid.clearLog();
  fixture().commits = 0;
}

/** Runs an ADD. @returns its only address */
async function addOne(deps: LeaseDeps, wanted: AddRequest) {
  const [taken] = (await add(deps, wanted, inTime())).taken;
  if (taken === undefined) throw new Error('no address');
  return taken;
}

test('an ADD from a block costs no request and one commit, and its lease is owed', async () => {
  await serve();
  const { deps, grid, store } = fixture();
  const { address, network } = await addOne(deps, request('c1'));
  expect([grid.requests.length, fixture().commits]).toEqual([0, 1]);
  expect([address, network]).toEqual([
    '10.0.0.32',
    {
      cidr: spec.place.kind === 'subnet' ? spec.place.cidr : '',
      view: 'default',
      blockSize: 32,
      kept: '10.0.0.1',
      gateway: '10.0.0.1',
    },
  ]);
  expect(store.get(markOf('c1'))).toMatchObject({ phase: 'bound', address, owedSince: expect.any(Number) });
  expect(store.blocks()).toMatchObject([{ lastGiven: address }]);
});

test('simultaneous ADDs share a commit, get different addresses, and do not wait for a slow grid', async () => {
  await serve();
  const { deps, grid } = fixture();
  grid.latencyMs = 10_000;
  const given = await Promise.all(Array.from({ length: 32 }, (_, n) => add(deps, request(`c${n}`), inTime())));
  expect(given.map(({ taken: [one] }) => one?.address).sort()).toEqual(addressesOf(block).sort());
  expect([grid.requests.length, fixture().commits]).toEqual([0, 1]);
});

test('an address of the host itself, of others or of the gateway is not given', async () => {
  await serve();
  const { deps } = fixture();
  deps.blocks.confirm(block, { now: deps.clock.now(), wall: deps.clock.wall(), others: new Set(['10.0.0.33']) });
  const own = { ...deps, host: { ...deps.host, isOwnAddress: async (address: string) => address === '10.0.0.32' } };
  expect((await addOne(own, request('c1'))).address).toBe('10.0.0.34');
});

test('the history shows who had an address whose create was never sent, and who released it', async () => {
  await serve();
  const { deps, store } = fixture();
  const { address } = await addOne(deps, request('c1'));
  await add(deps, request('c2'), inTime());
  const view = 'default';
  await releaseAttachment(deps, { attachment: request('c1').attachment, view });
  const identity = { mark: markOf('c2'), network: 'net-1', view };
  expect(endLease(deps, identity, { cause: 'release', evenIfAlive: true }).answer).toBe('release');
  await store.durable();
  expect(store.where(() => true)).toEqual([]);
  const ended = { releasedAt: expect.any(Number), returnedAt: expect.any(Number) };
  expect(store.history(address).entries).toMatchObject([{ mark: markOf('c1'), releasedBy: 'DEL', ...ended }]);
  expect(store.history('10.0.0.33').entries).toMatchObject([{ mark: markOf('c2'), releasedBy: 'operator', ...ended }]);
});

test('an address that was never reserved rests, too', async () => {
  await serve();
  const { deps, store } = fixture();
  const resting = { ...request('c1'), sets: [[{ ...spec, cooldownMs: 60_000 }]] as const };
  const { address } = await addOne(deps, resting);
  await releaseAttachment(deps, { attachment: resting.attachment, view: 'default' });
  expect(store.get(markOf('c1'))).toMatchObject({ phase: 'releasing', address });
  expect((await addOne(deps, request('c2'))).address).not.toBe(address);
  expect((await addOne(deps, resting)).address).toBe(address);
});

test('an ADD whose state cannot be written fails and occupies no address', async () => {
  await serve();
  const { deps, store } = fixture();
  fixture().isFull = true;
  await expect(add(deps, request('c1'), inTime())).rejects.toMatchObject({ reason: 'state' });
  fixture().isFull = false;
  expect([store.get(markOf('c1')), store.blocks()]).toEqual([undefined, [block]]);
  expect(addressesOf(block)).toContain((await addOne(deps, request('c1'))).address);
});

test('a requested address comes from the block if it is free there, and is refused if another attachment has it', async () => {
  await serve();
  const { deps, grid } = fixture();
  expect((await addOne(deps, request('c1', '10.0.0.40'))).address).toBe('10.0.0.40');
  expect(grid.requests).toEqual([]);
  await expect(add(deps, request('c2', '10.0.0.40'), inTime())).rejects.toMatchObject({
    reason: 'address-unavailable',
  });
});
