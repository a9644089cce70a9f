import { expect, test } from 'vitest';
import { type Reservation, sighting } from '../../../../src/infoblox/grid.ts';
import { auditBlocks, auditLeases } from '../../../../src/infoblox/lease/audit.ts';
import { aBlock } from '../../../fixture/a-block.ts';
import { aLease } from '../../../fixture/a-lease.ts';

const markOf = (container: string) =>
  `infoblox-cni cluster=cluster-1 node=host-a network=net-1 container=${container} interface=eth0`;
const mark = markOf('c1');
const lease = aLease(mark, { phase: 'bound', address: '10.0.0.2', view: 'default' });
const shown = (over: Partial<Reservation> = {}): Reservation => ({
  address: '10.0.0.2',
  view: 'default',
  comment: mark,
  isReserved: true,
  matchedBy: 'RESERVED',
  mac: '',
  seen: sighting({ host: 'grid', answeredAt: 0, object: 'fixedaddress/x' }),
  ...over,
});

test.each<[string, Reservation[], Reservation | undefined, [string, string, RegExp][]]>([
  ['as it should be', [shown()], undefined, []],
  ['gone', [], undefined, [['missing', '10.0.0.2', /^the reservation of c1\/eth0 is not on the grid$/]]],
  [
    'gone, with its address taken by somebody else',
    [],
    shown({ comment: 'printer' }),
    [['address of another', '10.0.0.2', /^c1\/eth0 uses it, and the grid keeps it for "printer"$/]],
  ],
  [
    'with a note behind its mark',
    [shown({ comment: `${mark} (ticket 4711)` })],
    undefined,
    [['altered', '10.0.0.2', /^the reservation of c1\/eth0 was changed in the grid and is now ".*ticket 4711\)"$/]],
  ],
  [
    'with a MAC address',
    [shown({ isReserved: false, matchedBy: 'MAC_ADDRESS', mac: '02:00:00:00:00:77' })],
    undefined,
    [['altered', '10.0.0.2', /is no reservation any more \(matched by MAC_ADDRESS/]],
  ],
  [
    'in another view',
    [shown({ view: 'blue' })],
    undefined,
    [['in another view', '10.0.0.2', /^c1\/eth0 has it in view blue there$/]],
  ],
  [
    'beside one of a container that the state does not know',
    [shown(), shown({ address: '10.0.0.9', comment: markOf('c9') })],
    undefined,
    [['without a lease', '10.0.0.9', /^the state of this host knows nothing of c9\/eth0$/]],
  ],
  [
    'beside an altered one of a container that has ended',
    [shown(), shown({ address: '10.0.0.9', comment: `${markOf('c9')} ended` })],
    undefined,
    [['altered', '10.0.0.9', /^an object with a mark of this host was changed/]],
  ],
])('a reservation that is %s is reported with a fix', (_, objects, holder, expected) => {
  const holders = new Map(holder === undefined ? [] : [[mark, holder]]);
  const findings = auditLeases({ bound: [lease], shown: objects, isKnown: (one) => one === mark, holders });
  expect(findings).toMatchObject(
    expected.map(([kind, address, message]) => ({ kind, address, message: expect.stringMatching(message) })),
  );
  for (const { fix } of findings) expect(fix.length).toBeGreaterThan(20);
});

test('a block without its range and a range without its block are reported', () => {
  const block = { ...aBlock(), phase: 'held' as const };
  const range = { comment: block.mark, first: block.first, view: block.view };
  const isKnown = (one: string) => one === block.mark;
  expect(auditBlocks([block], [range], { isKnown })).toEqual([]);
  expect(auditBlocks([block], [], { isKnown })).toMatchObject([{ kind: 'block missing', address: block.first }]);
  const other = { ...range, comment: `${block.mark.slice(0, -1)}x` };
  expect(auditBlocks([block], [range, other], { isKnown })).toMatchObject([{ kind: 'block without a state' }]);
});
