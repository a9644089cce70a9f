import { expect, test } from 'vitest';
import { rangeMark } from '../../../../src/infoblox/mark.ts';
import { areShared, coverOf } from '../../../../src/infoblox/network/ranges.ts';
import { blockMarkOf } from '../../../fixture/a-block.ts';

const at = (part: number) => `10.0.0.${part}`;
const span = (first: number, last: number) => ({ first: at(first), last: at(last) });
const range = (first: number, last: number, comment: string) => ({ ...span(first, last), comment, isReserved: true });
const wanted = [span(50, 199)];
const name = 'net-1';
const [ours, theirs, block] = [rangeMark(name), 'printers', blockMarkOf(1, 'host-b')];

test.each<[string, boolean | string, boolean | string, ReturnType<typeof range>[]]>([
  ['nothing', false, true, []],
  ['a block of any host', true, true, [range(64, 127, block)]],
  ['a block that overlaps it', true, true, [range(48, 63, block)]],
  ['a block beside it', false, true, [range(200, 207, block)]],
  ['the range of the whole part', false, false, [range(50, 199, ours)]],
  ['a range of an administrator', false, false, [range(50, 199, theirs)]],
  ['a smaller range of an earlier configuration of ours', false, false, [range(60, 69, ours)]],
  ['the range of the whole part, and a block in it', false, false, [range(50, 199, ours), range(64, 127, block)]],
  ["a stranger's smaller range", false, 'overlaps the range', [range(60, 69, theirs)]],
  [
    "a stranger's range, and a block",
    'overlaps the range',
    'overlaps the range',
    [range(60, 69, theirs), range(72, 79, block)],
  ],
])('with %s, hosts share the part without block-size: %s, and with it: %s', (_, without, withSize, ranges) => {
  const answer = (takesBlocks: boolean) => {
    try {
      return areShared(wanted, ranges, { name, takesBlocks });
    } catch (error) {
      return String(error);
    }
  };
  for (const [takesBlocks, expected] of [
    [false, without],
    [true, withSize],
  ] as const) {
    if (typeof expected === 'string') expect(answer(takesBlocks)).toContain(expected);
    else expect(answer(takesBlocks)).toBe(expected);
  }
});

test('a range is neither created nor used over blocks, whose addresses the grid would give, too', () => {
  const ranges = [range(50, 199, ours), range(64, 127, block)];
  expect(() => coverOf(span(50, 199), ranges, name)).toThrow(/overlaps the block .* of host host-b/);
});
