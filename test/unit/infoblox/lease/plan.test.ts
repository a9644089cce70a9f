import { describe, expect, test } from 'vitest';
import { GridError } from '../../../../src/infoblox/errors.ts';
import { type DoubtKind, deleteInDoubt } from '../../../../src/infoblox/lease/doubt.ts';
import { begin, bind, createInDoubt, type Lease, startRelease } from '../../../../src/infoblox/lease/lease.ts';
import {
  type Found,
  type Look,
  type PhaseOrNone,
  plan,
  ruleFor,
  type Seen,
  table,
} from '../../../../src/infoblox/lease/plan.ts';

/** Every cell, decided by a person, to compare with the decision of the code. `-` marks an impossible cell. */
const cells = `
none                   | none       create     delete     both
unsent                 | -          -          -          -
nothing                | nothing    -          -          -
wanted                 | adopt      -          -          -
wanted and surplus     | adopt      -          -          -
surplus                | -          -          -          -
the address of another | nothing    -          -          -
in another view        | -          -          -          -
altered                | -          -          -          -
shown, unconfirmed     | -          -          -          -
unconfirmed            | nothing    -          -          -

pending                | none       create     delete     both
unsent                 | -          -          -          -
nothing                | create     create     create     create
wanted                 | adopt      adopt      adopt      adopt
wanted and surplus     | adopt      adopt      adopt      adopt
surplus                | remove     remove     create     create
the address of another | reassign   reassign   reassign   reassign
in another view        | refuse     refuse     refuse     refuse
altered                | -          -          -          -
shown, unconfirmed     | -          -          -          -
unconfirmed            | create     look-again create     look-again

bound                  | none       create     delete     both
unsent                 | recreate   -          -          -
nothing                | recreate   recreate   recreate   recreate
wanted                 | nothing    look-again nothing    look-again
wanted and surplus     | remove     remove     look-again look-again
surplus                | remove     remove     recreate   recreate
the address of another | reassign   reassign   reassign   reassign
in another view        | refuse     refuse     refuse     refuse
altered                | refuse     refuse     refuse     refuse
shown, unconfirmed     | look-again look-again look-again look-again
unconfirmed            | recreate   recreate   recreate   recreate

releasing              | none       create     delete     both
unsent                 | forget     -          -          -
nothing                | forget     look-again forget     look-again
wanted                 | -          -          -          -
wanted and surplus     | -          -          -          -
surplus                | remove     remove     look-again look-again
the address of another | reassign   reassign   reassign   reassign
in another view        | -          -          -          -
altered                | refuse     look-again refuse     look-again
shown, unconfirmed     | remove     remove     look-again look-again
unconfirmed            | recreate   recreate   look-again look-again
`;

const written = cells
  .trim()
  .split('\n\n')
  .flatMap((block) => {
    const [head = '', ...lines] = block.split('\n');
    const [phase = '', doubts = ''] = head.split('|').map((part) => part.trim());
    return lines.flatMap((line) => {
      const [seen = '', steps = ''] = line.split('|').map((part) => part.trim());
      return doubts.split(/ +/).map((doubt, index) => {
        const step = (steps.split(/ +/)[index] ?? '').replace(/^-$/, 'impossible').replace('-', ' ');
        return { phase: phase as PhaseOrNone, seen: seen as Seen, doubt: doubt as DoubtKind, step };
      });
    });
  });

const window = { recheck: 10_000, end: 60_000 };
const now = 1_700_000_000_000;
const momentAt = (now: number) => ({ now, wall: now, window });
const moment = momentAt(now);
const mark = 'mark of c1';
const mine: Found = { address: '10.0.0.2', view: 'default' };
const other: Found = { address: '10.0.0.9', view: 'default' };
const moved: Found = { ...mine, view: 'renamed' };

describe('the table', () => {
  test('has all 160 cells in this file', () => expect(written).toHaveLength(160));

  test.each(written)('$phase, $seen, doubt $doubt: $step', ({ phase, seen, doubt, step }) => {
    expect(ruleFor(phase, seen, doubt).step).toBe(step);
  });

  test('has one rule for each cell, and no row that matches none', () => {
    const matching = ({ phase, seen, doubt }: (typeof written)[number]) =>
      table.filter((row) => row.phase === phase && row.seen.includes(seen) && row.doubt?.includes(doubt) !== false);
    expect(written.map((cell) => matching(cell).length)).toEqual(written.map(() => 1));
    expect(new Set(written.flatMap(matching)).size).toBe(table.length);
  });

  test('gives a reason for each row', () => {
    expect(table.filter(({ because }) => because === '')).toEqual([]);
  });
});

/** Makes a lease through its transitions, so that `plan` sees what the daemon would show it. */
function leaseOf(phase: PhaseOrNone, doubt: DoubtKind): Lease | undefined {
  if (phase === 'none') return undefined;
  const sandbox = { netns: null, netnsId: null, processStart: null, bootId: null, bootedAt: null, uptime: null };
  const workload = { containerId: 'c1' };
  let lease = begin(
    undefined,
    { mark, network: 'net-1', view: 'default', sandbox, workload, cooldownMs: 0, callers: ['call'] },
    moment,
  );
  if (phase !== 'pending') lease = bind(lease, mine.address, moment);
  if (phase === 'releasing') lease = startRelease(lease, 'DEL', moment);
  if (doubt === 'create' || doubt === 'both') lease = createInDoubt(lease, moment);
  if (doubt === 'delete' || doubt === 'both') lease = deleteInDoubt(lease, moment);
  return lease;
}

function lookOf(seen: Seen, { askedAt = now, phase }: { askedAt?: number; phase?: PhaseOrNone } = {}): Look {
  const fresh = { fresh: true };
  const found = {
    unsent: [],
    nothing: [],
    altered: [],
    'shown, unconfirmed': [mine],
    unconfirmed: phase === 'releasing' ? [] : [other],
    wanted: [{ ...mine, ...fresh }],
    'wanted and surplus': [other, { ...mine, ...fresh }],
    'the address of another': [{ ...other, ...fresh, owner: 'mark of c2' }],
    surplus: [other],
    'in another view': [moved],
  }[seen];
  return {
    found,
    askedAt,
    ...(seen.endsWith('unconfirmed') ? { unconfirmed: new GridError('unconfirmed', 'the master is away') } : {}),
    ...(seen === 'unsent' ? { unsent: true } : {}),
    ...(seen === 'altered' ? { altered: 'is a printer by now' } : {}),
    fits: (address) => address === mine.address,
  };
}

describe('plan', () => {
  test.each(written.filter(({ step }) => step !== 'impossible'))(
    'of a $phase lease that sees $seen with doubt $doubt: $step',
    ({ phase, seen, doubt, step }) =>
      expect(plan(leaseOf(phase, doubt), lookOf(seen, { phase }), moment).kind).toBe(step),
  );

  test('writes nothing if the grid shows an impossible object, and looks again', () => {
    const look = { ...lookOf('altered'), altered: 'is a printer by now' };
    expect(plan(leaseOf('pending', 'none'), look, moment)).toEqual({
      kind: 'look again',
      at: now + window.recheck,
      impossible: expect.stringContaining('it has no address'),
    });
  });

  test('removes only the surplus', () => {
    expect(plan(leaseOf('bound', 'none'), lookOf('wanted and surplus'), moment)).toEqual({
      kind: 'remove',
      object: other,
    });
  });

  test.each<[Seen, string]>([
    ['wanted and surplus', 'nothing'],
    ['surplus', 'recreate'],
  ])('removes no object with the mark if the callers are unknown: %s, %s', (seen, step) => {
    const lease = leaseOf('bound', 'none');
    expect(plan(lease && { ...lease, callers: null }, lookOf(seen), moment).kind).toBe(step);
  });

  test('removes all objects of a released lease in every view, one look at a time', () => {
    const found = [mine, other, moved];
    for (const [index, object] of found.entries()) {
      const look = { found: found.slice(index), askedAt: now };
      expect(plan(leaseOf('releasing', 'none'), look, moment)).toEqual({ kind: 'remove', object });
    }
  });

  test('does not remove an object that only a possibly lagging host shows, if another attachment has its address', () => {
    const found = [{ ...mine, owner: 'mark of c2' }];
    const look = { ...lookOf('shown, unconfirmed'), found };
    expect(plan(leaseOf('releasing', 'none'), look, moment)).toEqual({ kind: 'recreate' });
  });

  test('adopts the object that fits, and lists the others as surplus', () => {
    const step = plan(leaseOf('pending', 'none'), lookOf('wanted and surplus'), moment);
    expect(step).toEqual({ kind: 'adopt', object: { ...mine, fresh: true }, surplus: [other] });
  });

  test('refuses to touch a moved object, and names its place', () => {
    const look = lookOf('in another view');
    expect(plan(leaseOf('bound', 'none'), look, moment)).toEqual({ kind: 'refuse', moved });
  });

  test('re-checks a create in doubt soon, and again when the doubt ends', () => {
    const lease = leaseOf('releasing', 'create');
    const at = (later: number) => plan(lease, lookOf('nothing', { askedAt: now + later }), momentAt(now + later));
    expect(at(0)).toEqual({ kind: 'look again', at: now + window.recheck });
    expect(at(window.recheck)).toEqual({ kind: 'look again', at: now + window.end });
    expect(at(window.end)).toEqual({ kind: 'forget' });
  });

  test('waits until a delete in doubt must have been carried out or dropped', () => {
    const lease = leaseOf('releasing', 'delete');
    const at = (later: number) => plan(lease, lookOf('wanted', { askedAt: now + later }), momentAt(now + later));
    expect(at(1)).toEqual({ kind: 'look again', at: now + window.end });
    expect(at(window.end)).toMatchObject({ kind: 'remove', object: mine });
  });

  test.each([
    ['a delete', 'releasing', 'delete', 'wanted'],
    ['a create', 'releasing', 'create', 'nothing'],
    ['a delete, for an ADD', 'pending', 'delete', 'surplus'],
  ] as const)('still doubts %s if the grid was asked before the doubt ended', (_, phase, doubt, seen) => {
    const lease = leaseOf(phase, doubt);
    const [answered, after] = [now + window.end + 10, now + window.end];
    const step = (askedAt: number) => plan(lease, lookOf(seen, { askedAt }), momentAt(answered)).kind;
    expect(step(after - 1)).toBe(plan(lease, lookOf(seen), moment).kind);
    expect(step(after)).toBe(plan(leaseOf(phase, 'none'), lookOf(seen), moment).kind);
    expect(step(after)).not.toBe(step(after - 1));
  });
});
