import { describe, expect, test } from 'vitest';
import {
  addressesOf,
  assigned,
  type Block,
  blockCreateInDoubt,
  disowned,
  drain,
  foreign,
  hold,
  intervalOf,
  isOfSpec,
  take,
  waited,
} from '../../../../../src/infoblox/lease/block/block.ts';
import { deleteAnswered, deleteInDoubt, resumedDoubt } from '../../../../../src/infoblox/lease/doubt.ts';
import { shortNetworkName } from '../../../../../src/infoblox/mark.ts';
import { networkSpec, type SpecInput } from '../../../../../src/infoblox/network/spec.ts';
import { aBlock } from '../../../../fixture/a-block.ts';
import { momentAt, noon, window } from '../../../../fixture/a-lease.ts';

const { mark, network, view, cidr, first, size } = aBlock();
const asked = { name: 'net-1', view: 'default', containers: '', prefixLength: 24, keepFirst: false, blockSize: 8 };
const identity = { mark, network, view, cidr, first, size };

describe('a block', () => {
  test('has a create in doubt from its start to its answer, and is held only then', () => {
    const taken = take(identity, noon);
    expect(taken).toMatchObject({ phase: 'taking', takenAt: noon.now, createInDoubtUntil: noon.now + window.end });
    const later = momentAt(noon.now + 5_000);
    expect(blockCreateInDoubt(taken, later).createInDoubtUntil).toBe(later.now + window.end);
    expect(hold(taken)).toMatchObject({ phase: 'held', createInDoubtUntil: null });
    expect(hold(drain(taken)).phase).toBe('draining');
  });

  test('remembers the address that it gave last, and when', () => {
    expect(assigned(aBlock(), '10.0.0.17', noon)).toMatchObject({ lastGiven: '10.0.0.17', usedAt: noon.wall });
  });

  test('drains from the start if another state took it, for as long as that host may be alive', () => {
    const block = foreign(identity, { waitMs: 90_000 });
    expect(block).toMatchObject({ phase: 'draining', takenAt: null, waitMs: 90_000 });
    const boot = { bootId: 'boot-1', bootedAt: null, uptime: 90 };
    expect(waited(waited(block, 60_000, boot), 60_000, boot).waitMs).toBe(0);
    const disownedBefore = disowned(aBlock(), { bootId: 'boot-1', uptime: 30 });
    expect(disownedBefore).toMatchObject({ phase: 'draining', takenAt: null });
    expect(waited(disownedBefore, 5, boot).uptime).toBe(90);
    expect(waited(disownedBefore, 5, { ...boot, bootId: 'boot-2' })).toBe(disownedBefore);
  });

  test('has a delete in doubt until the answer says that nothing was done', () => {
    const block = drain(aBlock());
    const sent = deleteInDoubt(block, noon);
    expect(sent.deleteInDoubtUntil).toBe(noon.now + window.end);
    expect(deleteAnswered(sent, block)).toEqual(block);
  });

  test('is in doubt again for the whole window after a restart', () => {
    const left = aBlock({ phase: 'taking', createInDoubtUntil: 5 });
    expect(resumedDoubt(left, noon)).toEqual({ ...left, createInDoubtUntil: noon.now + window.end });
    expect(resumedDoubt(aBlock(), noon)).toEqual(aBlock());
  });

  test('lists its addresses in order', () => {
    expect(intervalOf(aBlock())).toEqual({ first: '10.0.0.16', last: '10.0.0.23' });
    expect(addressesOf(aBlock()).map((one) => Number(one.slice(7)))).toEqual([16, 17, 18, 19, 20, 21, 22, 23]);
  });

  test.each<[string, boolean, Partial<Block>, Partial<SpecInput>]>([
    ['its network, view, subnet and size', true, {}, {}],
    [
      'a name that is shortened in marks',
      true,
      { network: shortNetworkName('n'.repeat(90)) },
      { name: 'n'.repeat(90) },
    ],
    ['another name', false, {}, { name: 'net-2' }],
    ['another view', false, {}, { view: 'other' }],
    ['another subnet', false, {}, { subnet: '10.0.0.0/23' }],
    ['another size', false, {}, { blockSize: 16 }],
    ['no block at all', false, {}, { blockSize: 0 }],
    ['a range around it', true, {}, { rangeStart: '10.0.0.16', rangeEnd: '10.0.0.99' }],
    ['a range around it, of which others take blocks', true, {}, { rangeStart: '10.0.0.9', blockSize: 0 }],
    ['a range that has a part of it', false, {}, { rangeStart: '10.0.0.17', rangeEnd: '10.0.0.99' }],
    ['exclusions beside it', true, {}, { exclude: ['10.0.0.15', '10.0.0.24'] }],
    ['an exclusion inside', false, {}, { exclude: ['10.0.0.20'] }],
  ])('%s: matches the spec: %s', (_, isIt, over, input) => {
    expect(isOfSpec(aBlock(over), networkSpec({ ...asked, subnet: '10.0.0.0/24', ...input }))).toBe(isIt);
  });

  test('matches a spec by container if its network lies in that container', () => {
    const from = (containers: string, gateway?: string) =>
      isOfSpec(aBlock(), networkSpec({ ...asked, containers, gateway }));
    expect([from('172.18.0.0/16,10.0.0.0/16'), from('172.18.0.0/16')]).toEqual([true, false]);
    const gateways = ['0.0.0.1', '10.0.0.18', '10.0.1.1', '10.0.0.255'];
    expect(gateways.map((gateway) => from('10.0.0.0/16', gateway))).toEqual([true, true, false, false]);
  });
});
