import { describe, expect, test } from 'vitest';
import { jsonText, printedLines, table, timeName } from '../../../../../src/modes/operator/output/results.ts';
import { operatorMethods, time } from '../../../../../src/modes/operator-protocol.ts';
import { blockColumns, type Column, leaseColumns } from '../../../../../src/modes/status-text.ts';
import { aBlockRecord, aLeaseRecord, now } from '../../../../fixture/a-status.ts';

interface Row {
  readonly address: string;
  readonly network: string;
  readonly pod: string;
  readonly age: string;
}

const columns: readonly Column<Row>[] = [
  { title: 'ADDRESS', cell: ({ address }) => address, isWhole: true },
  { title: 'NETWORK', cell: ({ network }) => network },
  { title: 'POD', cell: ({ pod }) => pod },
  { title: 'AGE', cell: ({ age }) => age, align: 'right' },
];
const rows: readonly Row[] = [
  { address: '172.18.100.200', network: 'a-network-with-a-name', pod: 'shop/checkout-7d9f8b6c5-x2x4z', age: '12m' },
  { address: '172.18.1.2', network: 'net-1', pod: 'shop/web-1', age: '3d' },
];
const at = (width: number) => table(columns, rows, width).split('\n').slice(0, -1);

test('in a pipe no text is shortened, however wide the line', () => {
  expect(at(Number.POSITIVE_INFINITY)).toEqual([
    'ADDRESS         NETWORK                POD                            AGE',
    '172.18.100.200  a-network-with-a-name  shop/checkout-7d9f8b6c5-x2x4z  12m',
    '172.18.1.2      net-1                  shop/web-1                      3d',
  ]);
});

describe('on a narrow terminal', () => {
  test('the widest columns are shortened, but never an address', () => {
    expect(at(60)).toEqual([
      'ADDRESS         NETWORK             POD                  AGE',
      '172.18.100.200  a-network-with-a-…  shop/checkout-7d9f…  12m',
      '172.18.1.2      net-1               shop/web-1            3d',
    ]);
  });

  test('no line is wider than the terminal, as long as an address and four characters of the rest fit', () => {
    for (let width = 31; width <= 90; width += 1) {
      expect(Math.max(...at(width).map((line) => line.length))).toBeLessThanOrEqual(width);
    }
  });
});

test('at 80 columns leases first leave out view and network, and last shorten pod and container', () => {
  const lease = aLeaseRecord({
    network: 'net-1',
    view: 'default',
    containerId: '3f2b9c7d8e1a'.repeat(5),
    workload: 'production/checkout-7d9f8b6c5-x2x4z',
    ifName: 'eth0123456789',
  });
  const [head = '', line = ''] = table(leaseColumns(Date.now(), [lease]), [lease], 80).split('\n');
  expect(head).toMatch(/^ADDRESS +PHASE +CONTAINER +WORKLOAD +INT… +AGE +SANDBOX$/);
  expect([line, line.length]).toEqual([
    expect.stringMatching(/ 3f2b9c7d8e1a3f2\S*… +production\/check\S*… +eth… /),
    expect.toSatisfy((n) => n <= 80),
  ]);
  expect(table(leaseColumns(Date.now(), [lease]), [lease], 170)).toMatch(/NETWORK/);
});

test('the ID of a container is shortened to what still names it before view and network are left out', () => {
  const names = {
    network: 'net-1',
    view: 'default',
    containerId: '3f2b9c7d'.repeat(8),
    workload: 'shop/checkout-7d9f8b6c5',
  };
  const lease = aLeaseRecord({ ...names, ifName: 'eth0' });
  for (const width of [148, 120, 98]) {
    const [head = '', line = ''] = table(leaseColumns(now, [lease]), [lease], width).split('\n');
    expect(head).toMatch(/^ADDRESS +PHASE +NETWORK +VIEW +CONTAINER +WORKLOAD +INTERFACE +AGE +SANDBOX$/);
    expect(line).toMatch(/ net-1 +default +3f2b9c7d3f2b\S*… +shop\/checkout-7d9f8b6c5 +eth0 /);
    expect(head.length).toBe(width);
  }
  const [head = ''] = table(leaseColumns(now, [lease]), [lease], 97).split('\n');
  expect(head).toMatch(/^ADDRESS +PHASE +NETWORK +CONTAINER +WORKLOAD +INTERFACE +AGE +SANDBOX$/);
});

test('at 80 columns the longest IPv6 address is shown in full, and its container can be recognised', () => {
  const address = 'fd00:1234:5678:9abc:def0:1234:5678:9abc';
  const names = { network: 'net-1', view: 'default', containerId: '3f2b9c7d8e1a'.repeat(5), workload: 'shop/web-1' };
  const lease = aLeaseRecord({ ...names, address });
  const [head = '', line = ''] = table(leaseColumns(Date.now(), [lease]), [lease], 80).split('\n');
  expect(head).toMatch(/^ADDRESS +PHASE +CONTAINER +WORKLOAD +SANDBOX$/);
  expect([line, line.length]).toEqual([
    expect.stringMatching(new RegExp(`^${address} +bound +3f2b9c7d8e… +shop/web-1 `)),
    expect.toSatisfy((n) => n <= 80),
  ]);
});

test('at 80 columns the addresses and the state of an IPv6 block are shown in full', () => {
  const block = aBlockRecord({ first: 'fd00:20:1:0:2573:cda8:e183:1800', last: 'fd00:20:1:0:2573:cda8:e183:180f' });
  const [head = '', line = ''] = table(blockColumns(now), [block], 80).split('\n');
  expect(head).toMatch(/^NET\S* +ADDRESSES +STATE +HELD +RES\S* +FREE$/);
  expect(line).toContain('fd00:20:1:0:2573:cda8:e183:1800-180f  serving, 8m left');
  expect(line.length).toBeLessThanOrEqual(80);
});

test('lines of text are folded on a terminal, and whole in a pipe', () => {
  const line = 'network 10.20.0.0/24 in view default was made by the driver, and no container has an address in it';
  expect(printedLines([line, 'well'], 60).split('\n')).toEqual([
    'network 10.20.0.0/24 in view default was made by the',
    '  driver, and no container has an address in it',
    'well',
    '',
  ]);
  expect(printedLines([line], Number.POSITIVE_INFINITY)).toBe(`${line}\n`);
});

test('a cell contains no terminal control characters', () => {
  const evil = [{ address: '10.0.0.1', network: 'n', pod: 'web\u001b[31m\n\u202e', age: '1s' }];
  expect(table(columns, evil, 80)).toContain('web\\u001b[31m\\n\\u202e');
});

test('a JSON document contains no control characters, and parses to the same value', () => {
  const value = {
    pod: 'web\u001b[31m\u009b5m\u007f',
    name: 'a\u202eb\u2028c',
    lone: '\ud800',
    emoji: '🚀',
    lines: '1\n2',
  };
  const text = jsonText(value);
  expect(text).not.toMatch(/[^\n\P{Cc}]|[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
  expect(text).toContain('"pod": "web\\u001b[31m\\u009b5m\\u007f"');
  expect(JSON.parse(text)).toEqual(value);
});

test('a JSON document is indented for people', () => {
  expect(jsonText({ a: [1] })).toBe('{\n  "a": [\n    1\n  ]\n}');
});

test('all times, and no other numbers, are written as ISO 8601', () => {
  const value = {
    startedAt: 0,
    errors: [{ at: 1_500, message: 'x' }],
    since: null,
    dueAt: '2026',
    attempts: 3,
    format: 1,
  };
  expect(JSON.parse(jsonText(value))).toEqual({
    ...value,
    startedAt: '1970-01-01T00:00:00.000Z',
    errors: [{ at: '1970-01-01T00:00:01.500Z', message: 'x' }],
  });
});

/** The parts of a valibot schema that are visited here. */
interface Schema {
  readonly type: string;
  readonly entries?: Readonly<Record<string, Schema>>;
  readonly item?: Schema;
  readonly wrapped?: Schema;
}

/** Lists the numbers that a schema describes, with their names. */
function numbersIn(schema: Schema, name = ''): [string, Schema][] {
  const { type, entries, item, wrapped } = schema;
  if (type === 'number') return [[name, schema]];
  if (entries !== undefined) return Object.entries(entries).flatMap(([name, entry]) => numbersIn(entry, name));
  return [item, wrapped].flatMap((inner) => (inner === undefined ? [] : numbersIn(inner, name)));
}

test('times in the daemon’s answers are recognised by name, and no other number has such a name', () => {
  const results = Object.values(operatorMethods).map(({ result }) => result as unknown as Schema);
  const numbers = results.flatMap((result) => numbersIn(result));
  expect(numbers.length).toBeGreaterThan(20);
  for (const [name, schema] of numbers) expect(timeName.test(name), name).toBe(schema === time);
});
