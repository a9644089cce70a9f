import { beforeEach, describe, expect, test } from 'vitest';
import { GridHosts } from '../../../../../src/infoblox/wapi/connection/hosts.ts';

let now: number;
let hosts: GridHosts;

beforeEach(() => {
  now = 100;
  hosts = new GridHosts(['a', 'b', 'c'], { now: () => now });
});

test('the first host is asked as long as it is healthy', () => {
  expect(hosts.pick()).toBe('a');
  hosts.succeeded('a');
  expect(hosts.pick()).toBe('a');
});

test('a failed host rests for 15 seconds while others are asked', () => {
  hosts.failed('a');
  expect(hosts.pick()).toBe('b');
  now += 14_999;
  expect(hosts.pick()).toBe('b');
  now += 1;
  expect(hosts.pick()).toBe('a');
});

test('a success ends the rest', () => {
  hosts.failed('a');
  hosts.succeeded('a');
  expect(hosts.pick()).toBe('a');
});

test('if all have failed, the one with the oldest failure is asked', () => {
  for (const host of ['b', 'c', 'a']) {
    hosts.failed(host);
    now += 10;
  }
  expect(hosts.pick()).toBe('b');
});

test('a preferred host is asked before all others if it is healthy', () => {
  expect(hosts.pick('b')).toBe('b');
  hosts.failed('b');
  expect(hosts.pick('b')).toBe('a');
});

test('there is another healthy host until that has failed, too', () => {
  hosts.failed('a');
  expect(hosts.hasAnother('a')).toBe(true);
  hosts.failed('b');
  hosts.failed('c');
  expect(hosts.hasAnother('a')).toBe(false);
  now += 15_000;
  expect(hosts.hasAnother('a')).toBe(true);
});

test('a single host has no other', () => {
  const alone = new GridHosts(['a'], { now: () => now });
  alone.failed('a');
  expect(alone.pick()).toBe('a');
  expect(alone.hasAnother('a')).toBe(false);
});

describe('the host that accepts writes', () => {
  test('is the first of the list until another one has accepted a write', () => {
    expect(hosts.writer).toBe('a');
    hosts.failed('a');
    hosts.succeeded('b');
    expect(hosts.writer).toBe('a');
    hosts.acceptedWrite('b');
    expect(hosts.writer).toBe('b');
    hosts.succeeded('a');
    expect(hosts.writer).toBe('b');
  });

  test('is unknown after all have refused a write, until one accepts', () => {
    hosts.refusedWrite('b');
    expect(hosts.writer).toBe('a');
    hosts.refusedWrite('a');
    expect(hosts.writer).toBeUndefined();
    hosts.acceptedWrite('a');
    expect(hosts.writer).toBe('a');
  });

  test.each([
    [undefined, 'a'],
    ['b', 'b'],
    ['', undefined],
    ['no longer in the list', 'a'],
  ])('is, after a restart that remembers %j, %j', (remembered, writer) => {
    const facts = { fact: () => remembered, setFact: () => {} };
    expect(new GridHosts(['a', 'b'], { now: () => now }, facts).writer).toBe(writer);
  });

  test('is remembered when it changes', () => {
    const told: string[] = [];
    const facts = { fact: () => undefined, setFact: (_: string, host: string) => told.push(host) };
    const remembering = new GridHosts(['a', 'b'], { now: () => now }, facts);
    for (const host of ['a', 'b', 'b']) remembering.acceptedWrite(host);
    remembering.refusedWrite('b');
    expect(told).toEqual(['b', '']);
  });
});

test('an empty list of hosts is a bug', () => {
  expect(() => new GridHosts([], { now: () => now })).toThrow('at least one');
});
