import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  attachmentKey,
  attachmentMark,
  beginsAs,
  blockMark,
  gatewayMark,
  hostPrefix,
  isAttachmentMark,
  marksOfSets,
  namedInComment,
  networkMark,
  networkOf,
  parseBlockMark,
  parseMark,
  pendingNetworkMark,
  shortNetworkName,
  startOf,
} from '../../../src/infoblox/mark.ts';

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'.split('');
const more = [...letters, '_', '.', '-'];
/** A name that the specification and the flags allow, short or very long. */
const name = fc
  .tuple(fc.constantFrom(...letters), fc.string({ unit: fc.constantFrom(...more), maxLength: 300 }))
  .map((parts) => parts.join(''));
const ifName = fc.string({ unit: fc.constantFrom(...letters), minLength: 1, maxLength: 15 });
const whole = fc.record({
  origin: fc.record({ cluster: name, node: name }),
  attachment: fc.record({ network: name, containerId: name, ifName }),
});

const origin = { cluster: 'cluster-1', node: 'host-a' };
const attachment = { network: 'net-1', containerId: 'c1', ifName: 'eth0' };

test('a mark is one readable line', () => {
  expect(attachmentMark(origin, attachment)).toBe(
    'infoblox-cni cluster=cluster-1 node=host-a network=net-1 container=c1 interface=eth0',
  );
});

test('a mark has at most 256 characters, however long its parts are', () => {
  const long = 'x'.repeat(300);
  const longest = attachmentMark(
    { cluster: long, node: long },
    { network: long, containerId: long, ifName: 'x'.repeat(15) },
  );
  expect(longest.length).toBeLessThanOrEqual(256);
  fc.assert(
    fc.property(whole, (one) => {
      const comment = attachmentMark(one.origin, one.attachment);
      expect(comment.length).toBeLessThanOrEqual(256);
      expect(comment).toBe(comment.trim());
      expect(attachmentMark(structuredClone(one.origin), structuredClone(one.attachment))).toBe(comment);
    }),
  );
});

test('a container ID of 64 characters, as runtimes make them, is not shortened', () => {
  const containerId = '0123456789abcdef'.repeat(4);
  expect(attachmentMark(origin, { ...attachment, containerId })).toContain(`container=${containerId} `);
});

test('different attachments have different marks', () => {
  fc.assert(
    fc.property(whole, whole, (one, other) => {
      const same = JSON.stringify(one) === JSON.stringify(other);
      const equal = attachmentMark(one.origin, one.attachment) === attachmentMark(other.origin, other.attachment);
      expect(equal).toBe(same);
    }),
  );
});

test('long values that differ in one character have different marks', () => {
  const parts = fc.constantFrom('cluster', 'node', 'network', 'containerId');
  fc.assert(
    fc.property(parts, fc.integer({ min: 30, max: 300 }), fc.nat({ max: 299 }), (part, length, at) => {
      const value = 'a'.repeat(length);
      const changed = `${value.slice(0, at % length)}b${value.slice((at % length) + 1)}`;
      const mark = (text: string) => attachmentMark({ ...origin, [part]: text }, { ...attachment, [part]: text });
      expect(mark(value)).not.toBe(mark(changed));
    }),
  );
});

test('a shortened value never equals a value that was short enough', () => {
  fc.assert(
    fc.property(name, (value) => {
      const short = shortNetworkName(value);
      expect(short.length).toBeLessThanOrEqual(40);
      expect(short.includes('~')).toBe(short !== value);
      expect(shortNetworkName(short)).toBe(short);
    }),
  );
});

test('the prefix of a host begins only the marks of its attachments', () => {
  fc.assert(
    fc.property(whole, whole, (one, other) => {
      const comment = attachmentMark(one.origin, one.attachment);
      expect(comment.startsWith(hostPrefix(one.origin))).toBe(true);
      const sameHost = JSON.stringify(one.origin) === JSON.stringify(other.origin);
      expect(comment.startsWith(hostPrefix(other.origin))).toBe(sameHost);
    }),
  );
  expect(hostPrefix({ cluster: 'cluster-1', node: 'host-ab' }).startsWith(hostPrefix(origin))).toBe(false);
});

test('the prefix of a filter begins exactly the marks with its values', () => {
  const given = fc.record({ cluster: fc.boolean(), node: fc.boolean(), network: fc.boolean() });
  fc.assert(
    fc.property(whole, whole, given, (one, other, { cluster, node, network }) => {
      const filter = {
        ...(cluster && { cluster: one.origin.cluster }),
        ...(node && { node: one.origin.node }),
        ...(network && { network: one.attachment.network }),
      };
      const theirs = { ...other.origin, network: other.attachment.network };
      const isAlike = JSON.stringify({ ...theirs, ...filter }) === JSON.stringify(theirs);
      expect(beginsAs(attachmentMark(one.origin, one.attachment), filter)).toBe(true);
      expect(beginsAs(attachmentMark(other.origin, other.attachment), filter)).toBe(isAlike);
      expect(beginsAs(networkMark(one.attachment.network), filter)).toBe(false);
    }),
  );
  const mark = attachmentMark(origin, { ...attachment, network: 'net-10' });
  expect(beginsAs(`${mark} (ticket 4711)`, origin)).toBe(true);
  expect(beginsAs(`was ${mark}`, {})).toBe(false);
  expect(beginsAs(mark, { ...origin, network: 'net-1' })).toBe(false);
  expect(startOf(`${mark} (ticket 4711)`)).toEqual({ node: origin.node, network: 'net-10' });
});

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length });
const wholeBlock = fc.record({
  origin: fc.record({ cluster: name, node: name }),
  network: name,
  machine: hex(8),
  id: hex(16),
});
const block = { origin, network: 'net-1', machine: '0123abcd', id: '0123456789abcdef' };

test('the mark of a block is one line of at most 256 characters, and parses to the same block', () => {
  expect(blockMark(block)).toBe(
    'infoblox-cni cluster=cluster-1 node=host-a network=net-1 block=0123abcd.0123456789abcdef',
  );
  fc.assert(
    fc.property(wholeBlock, (one) => {
      const comment = blockMark(one);
      expect(comment.length).toBeLessThanOrEqual(256);
      const read = parseBlockMark(comment);
      expect(read).toMatchObject({ machine: one.machine, id: one.id });
      expect(read && blockMark(read)).toBe(comment);
      if (!comment.includes('~')) expect(read).toEqual(one);
    }),
  );
  const mark = blockMark(block);
  const others = [`${mark} `, `${mark} (ticket 4711)`, `${mark}0`, mark.toUpperCase(), mark.slice(0, -1), `x${mark}`];
  for (const comment of [...others, attachmentMark(origin, attachment), networkMark('a'), '']) {
    expect({ comment, block: parseBlockMark(comment) }).toEqual({ comment, block: undefined });
  }
});

test('marks of blocks and of attachments are never confused', () => {
  fc.assert(
    fc.property(whole, wholeBlock, (one, other) => {
      const comment = blockMark(other);
      for (const text of [comment, `${comment} (ticket 4711)`]) {
        expect(parseMark(text)).toBeUndefined();
        expect(isAttachmentMark(text)).toBe(false);
        expect(networkOf(text)).toBe('');
        expect(beginsAs(text, other.origin)).toBe(false);
        expect(beginsAs(text, { ...other.origin, of: 'blocks' })).toBe(true);
      }
      expect(parseBlockMark(attachmentMark(one.origin, one.attachment))).toBeUndefined();
      expect(beginsAs(attachmentMark(one.origin, one.attachment), { of: 'blocks' })).toBe(false);
    }),
  );
});

test('blocks are distinguished by host, cluster and network', () => {
  const mark = blockMark(block);
  const { cluster, node } = origin;
  expect(beginsAs(mark, { cluster, network: 'net-1', of: 'blocks' })).toBe(true);
  expect(beginsAs(mark, { cluster, network: 'net-10', of: 'blocks' })).toBe(false);
  expect(beginsAs(mark, { cluster, node: 'host-b', of: 'blocks' })).toBe(false);
  expect(beginsAs(mark, { cluster: 'cluster-2', node, of: 'blocks' })).toBe(false);
});

test('only marks of attachments begin like one', () => {
  expect(isAttachmentMark(attachmentMark(origin, attachment))).toBe(true);
  for (const comment of [networkMark('a'), pendingNetworkMark('a'), gatewayMark('a'), '', 'router']) {
    expect(isAttachmentMark(comment)).toBe(false);
  }
});

test('a mark parses to the same attachment, except for shortened values', () => {
  fc.assert(
    fc.property(whole, (one) => {
      const comment = attachmentMark(one.origin, one.attachment);
      const mark = parseMark(comment);
      expect(mark && attachmentMark(mark.origin, mark.attachment)).toBe(comment);
      expect(mark?.attachment.ifName).toBe(one.attachment.ifName);
      if (comment.includes('~')) return;
      expect(mark).toEqual(one);
    }),
  );
});

test('an attachment has a mark of at most 256 characters for each set, all with a key of its own', () => {
  fc.assert(
    fc.property(whole, whole, ({ origin, attachment }, other) => {
      const first = attachmentMark(origin, attachment);
      const marks = marksOfSets(first, attachment, 16);
      expect(marks[0]).toBe(first);
      expect(new Set(marks).size).toBe(16);
      expect(new Set(marks.map(attachmentKey)).size).toBe(1);
      for (const mark of marks) {
        expect(mark.length).toBeLessThanOrEqual(256);
        expect(parseMark(mark)?.attachment.ifName).toBe(attachment.ifName);
        expect(beginsAs(mark, { ...origin, network: attachment.network })).toBe(true);
      }
      const second = attachmentMark(other.origin, other.attachment);
      if (second !== first) expect(attachmentKey(second)).not.toBe(attachmentKey(first));
    }),
  );
});

test('a comment with anything before or after the mark is not a mark', () => {
  const mark = attachmentMark(origin, attachment);
  expect(parseMark(mark)).toEqual({ origin, attachment });
  const others = [
    ...[' set=0', ' set=01', ' set=100', ' set=', ' set=1 '].map((tail) => mark + tail),
    ...[' (ticket 4711, do not touch)', ' ', '\n', ' interface=eth1', '\u00a0x', '/24', ':'].map((tail) => mark + tail),
    ...['x', ' ', 'was: '].map((head) => head + mark),
    mark.replace('eth0', 'sixteen-letters-x'),
    mark.replace('c1', 'c'.repeat(65)),
    mark.replace('cluster=cluster-1 ', ''),
    mark.replace('net-1', ''),
    mark.toUpperCase(),
    mark.repeat(1_000),
    hostPrefix(origin),
    ...[networkMark('a'), pendingNetworkMark('a'), gatewayMark('a'), '', 'router'],
  ];
  for (const comment of others) expect({ comment, mark: parseMark(comment) }).toEqual({ comment, mark: undefined });
});

test('the name of a network is read from its own comment only, pending or not, whatever people append', () => {
  fc.assert(
    fc.property(name, (network) => {
      expect(namedInComment(networkMark(network))).toBe(shortNetworkName(network));
      expect(namedInComment(pendingNetworkMark(network))).toBe(shortNetworkName(network));
      expect(namedInComment(`${networkMark(network)} - Paris`)).toBe(shortNetworkName(network));
      expect(networkMark(network)).not.toBe(pendingNetworkMark(network));
    }),
  );
  for (const comment of ['', 'office', gatewayMark('a'), `${networkMark('a')}, moved`, ` ${networkMark('a')}`]) {
    expect(namedInComment(comment)).toBeUndefined();
  }
});
