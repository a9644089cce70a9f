import { describe, expect, test } from 'vitest';
import { judge } from '../../src/infoblox/trace.ts';
import type { FixedAddress } from '../../src/infoblox/wapi/schemas.ts';

const mark = 'infoblox-cni cluster=a node=b network=n container=c interface=eth0';
const lost = { mark, view: 'here', address: '10.0.0.2' };

function object(comment: string, over: Partial<FixedAddress> = {}): FixedAddress {
  const reservation = { mac: '00:00:00:00:00:00', match_client: 'RESERVED' };
  return { _ref: 'fixedaddress/x', ipv4addr: '10.0.0.2', network_view: 'here', comment, ...reservation, ...over };
}

describe('a reservation that is not where it was left', () => {
  const real = { mac: '02:00:00:00:00:01', match_client: 'MAC_ADDRESS' };
  const table: [string, FixedAddress[], string][] = [
    ['is gone if nothing is at its address', [], 'gone'],
    ['is gone if somebody else is', [object('printer')], 'gone'],
    ['is gone if another attachment of ours is', [object(`${mark}1`)], 'gone'],
    ['is gone if what is there stands before the mark', [object(`was ${mark}`)], 'gone'],
    ['is altered if its comment goes on', [object(`${mark} (ticket 4711)`)], 'altered'],
    ['is altered if its comment goes on in another view', [object(`${mark} x`, { network_view: 'there' })], 'altered'],
    ['is altered if it has a MAC address', [object(mark, real)], 'altered'],
    [
      'is altered whatever else has the address elsewhere',
      [object('x', { network_view: 'z' }), object(mark, real)],
      'altered',
    ],
  ];
  test.each(table)('%s', (_, atAddress, kind) => {
    expect(judge(lost, atAddress).kind).toBe(kind);
  });

  test('leaves its address to whoever has it in its view', () => {
    const [theirs, elsewhere] = [object('printer'), object('printer', { network_view: 'there' })];
    expect(judge(lost, [elsewhere, theirs])).toEqual({ kind: 'gone', holder: theirs });
    expect(judge(lost, [elsewhere])).toEqual({ kind: 'gone' });
  });
});
