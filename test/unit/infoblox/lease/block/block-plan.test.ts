import { describe, expect, test } from 'vitest';
import { parseCidr } from '../../../../../src/infoblox/address.ts';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import { type Range, sighting } from '../../../../../src/infoblox/grid.ts';
import { type Block, blockPhases } from '../../../../../src/infoblox/lease/block/block.ts';
import {
  type BlockLook,
  blockRule,
  blockSights,
  blockTable,
  insides,
  planBlock,
} from '../../../../../src/infoblox/lease/block/block-plan.ts';
import { doubtKinds } from '../../../../../src/infoblox/lease/doubt.ts';
import { aBlock, blockMarkOf } from '../../../../fixture/a-block.ts';
import { noon } from '../../../../fixture/a-lease.ts';

const shown = (over: Partial<Range> = {}): Range => ({
  ...{ first: '10.0.0.16', last: '10.0.0.23', comment: aBlock().mark, isReserved: true },
  ...{ view: 'default', network: parseCidr('10.0.0.0/24') ?? expect.fail('no CIDR') },
  seen: sighting({ host: 'a', answeredAt: noon.now, object: 'range/1' }),
  ...over,
});
const look = (over: Partial<BlockLook> = {}): BlockLook => ({
  ...{ ranges: [shown()], inside: 'empty', askedAt: noon.now },
  ...over,
});
const unconfirmed = new GridError('unconfirmed', 'only a candidate answers');

describe('the table of blocks', () => {
  test('has one rule for each combination, and no row that matches none', () => {
    const combinations = blockPhases.flatMap((phase) =>
      blockSights.flatMap((seen) =>
        doubtKinds.flatMap((doubt) => insides.map((inside) => ({ phase, seen, doubt, inside }))),
      ),
    );
    const met = combinations.map((combination) =>
      blockTable.filter(
        (row) =>
          row.phase === combination.phase &&
          row.seen?.includes(combination.seen) !== false &&
          row.doubt?.includes(combination.doubt) !== false &&
          row.inside?.includes(combination.inside) !== false,
      ),
    );
    expect(combinations).toHaveLength(180);
    expect(met.filter((rows) => rows.length !== 1)).toEqual([]);
    expect(new Set(met.flat()).size).toBe(blockTable.length);
  });

  test('lets a block give addresses only if it is confirmed, alone, old enough and free of unknown marks', () => {
    const serving = [...blockTable].filter(({ step }) => step === 'hold' || step === 'confirm');
    for (const { seen, doubt, inside } of serving) {
      expect({ seen, doubt, inside }).toEqual({ seen: ['alone'], doubt: ['none'], inside: ['empty', 'leases'] });
    }
  });

  test('deletes a block only if it is draining, empty, unchanged and shown by a host that accepts writes', () => {
    for (const inside of ['leases', 'unknown marks'] as const) {
      for (const seen of blockSights)
        for (const doubt of doubtKinds)
          expect(blockRule({ phase: 'draining', seen, doubt, inside }).step).not.toBe('remove');
    }
    const removing = blockTable.filter(({ step }) => step === 'remove');
    expect(removing.map(({ phase, seen }) => [phase, seen])).toEqual([['draining', ['alone', 'touched']]]);
  });
});

describe('what to do about a block', () => {
  const other = shown({ comment: blockMarkOf(2, 'host-b'), first: '10.0.0.20', last: '10.0.0.27' });
  test.each<[string, Partial<Block>, Partial<BlockLook>, object]>([
    ['a create is in doubt', { phase: 'taking', createInDoubtUntil: noon.now + 1 }, {}, { kind: 'wait' }],
    ['it is alone after the doubt', { phase: 'taking', createInDoubtUntil: noon.now }, {}, { kind: 'hold' }],
    [
      'the look began before the doubt ended',
      { phase: 'taking', createInDoubtUntil: noon.now },
      { askedAt: noon.now - 1 },
      { kind: 'wait' },
    ],
    ['another range touches it', { phase: 'taking' }, { ranges: [shown(), other] }, { kind: 'drain' }],
    ['it is confirmed', {}, { inside: 'leases' }, { kind: 'confirm' }],
    ['another range touches one that serves', {}, { ranges: [shown(), other] }, { kind: 'stop', seen: 'touched' }],
    ['it was moved', {}, { ranges: [shown({ last: '10.0.0.31' })] }, { kind: 'stop', seen: 'altered' }],
    ['a DHCP member serves it', {}, { ranges: [shown({ isReserved: false })] }, { kind: 'stop', seen: 'altered' }],
    [
      'only its comment was changed',
      {},
      { ranges: [shown({ comment: `${aBlock().mark} (DDI)` })] },
      { kind: 'stop', seen: 'nothing' },
    ],
    ['it is gone', {}, { ranges: [] }, { kind: 'stop', seen: 'nothing' }],
    ['marks in it have no lease', {}, { inside: 'unknown marks' }, { kind: 'stop', seen: 'alone' }],
    ['only a host that may lag shows it', {}, { unconfirmed }, { kind: 'wait' }],
    ['it is draining and empty', { phase: 'draining' }, {}, { kind: 'remove', object: shown() }],
    [
      'it is draining, and a DHCP member serves it',
      { phase: 'draining' },
      { ranges: [shown({ isReserved: false })] },
      { kind: 'forget' },
    ],
    ['it is draining and in use', { phase: 'draining' }, { inside: 'leases' }, { kind: 'wait' }],
    ['it is gone', { phase: 'draining' }, { ranges: [] }, { kind: 'forget' }],
  ])('%s', (_, block, over, step) => {
    expect(planBlock(aBlock(block), look(over), noon)).toMatchObject(step);
  });

  test('an impossible combination writes nothing and gives the reason', () => {
    const step = planBlock(aBlock({ deleteInDoubtUntil: noon.now + 1 }), look(), noon);
    expect(step).toEqual({ kind: 'wait', impossible: expect.stringContaining('only draining blocks are deleted') });
  });
});
