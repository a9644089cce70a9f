import { describe, expect, test } from 'vitest';
import { type Column, table } from '../../../../src/modes/operator/output/table.ts';

interface Row {
  readonly address: string;
  readonly network: string;
  readonly pod: string;
  readonly age: string;
}

const columns: readonly Column<Row>[] = [
  { title: 'ADDRESS', cell: ({ address }) => address, narrow: 'whole' },
  { title: 'NETWORK', cell: ({ network }) => network, narrow: 'spare' },
  { title: 'POD', cell: ({ pod }) => pod },
  { title: 'AGE', cell: ({ age }) => age, align: 'right' },
];
const rows: readonly Row[] = [
  { address: '172.18.100.200', network: 'a-network-with-a-name', pod: 'shop/checkout-7d9f8b6c5-x2x4z', age: '12m' },
  { address: '172.18.1.2', network: 'net-1', pod: 'shop/web-1', age: '3d' },
];
const at = (width: number) => table(columns, rows, width).split('\n').slice(0, -1);

test('in a pipe every text stands in full, however wide the line gets', () => {
  expect(at(Number.POSITIVE_INFINITY)).toEqual([
    'ADDRESS         NETWORK                POD                            AGE',
    '172.18.100.200  a-network-with-a-name  shop/checkout-7d9f8b6c5-x2x4z  12m',
    '172.18.1.2      net-1                  shop/web-1                      3d',
  ]);
});

describe('on a terminal that is narrower', () => {
  test('the widest columns are shortened, an address never', () => {
    expect(at(60)).toEqual([
      'ADDRESS         NETWORK             POD                  AGE',
      '172.18.100.200  a-network-with-a-…  shop/checkout-7d9f…  12m',
      '172.18.1.2      net-1               shop/web-1            3d',
    ]);
  });

  test('what is spare is left out when there would be no room for the titles, and that is said', () => {
    expect(at(30)).toEqual([
      'ADDRESS         POD        AGE',
      '172.18.100.200  shop/che…  12m',
      '172.18.1.2      shop/web…   3d',
      'without NETWORK: the terminal',
      'is too narrow',
    ]);
  });

  test('no line is wider than the terminal, down to what an address needs beside the rest', () => {
    for (let width = 27; width <= 90; width += 1) {
      expect(Math.max(...at(width).map((line) => line.length))).toBeLessThanOrEqual(width);
    }
  });

  test('a column in which no row says anything goes first, without a word', () => {
    const silent = rows.map((row) => ({ ...row, pod: '-' }));
    expect(table(columns, silent, 29).split('\n')[0]).toBe('ADDRESS         NETWORK   AGE');
  });
});

test('columns stand below each other whatever script a name is written in', () => {
  const foreign = [{ address: '10.0.0.1', network: 'n', pod: '日本', age: '1s' }, ...rows.slice(1)];
  expect(table(columns, foreign, 80)).toBe(
    'ADDRESS     NETWORK  POD         AGE\n10.0.0.1    n        日本         1s\n172.18.1.2  net-1    shop/web-1   3d\n',
  );
});

test('nothing in a cell commands the terminal', () => {
  const evil = [{ address: '10.0.0.1', network: 'n', pod: 'web\u001b[31m\n\u202e', age: '1s' }];
  expect(table(columns, evil, 80)).toContain('web\\u001b[31m\\n\\u202e');
});
