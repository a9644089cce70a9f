import { describe, expect, test } from 'vitest';
import {
  deleteAnswered,
  deleteInDoubt,
  doubtOf,
  type Moment,
  nextRecheck,
} from '../../../../src/infoblox/lease/doubt.ts';
import {
  abandon,
  answer,
  askAgain,
  awaitPerson,
  begin,
  bind,
  createInDoubt,
  createRefused,
  followView,
  imported,
  keepDoubt,
  type Lease,
  notAnswered,
  type Phase,
  postpone,
  recheck,
  resumed,
  settle,
  shownPhase,
  startRelease,
  unknownToRelease,
} from '../../../../src/infoblox/lease/lease.ts';
import { aLease, momentAt, noon, sandbox, window, workload } from '../../../fixture/a-lease.ts';

const { now } = noon;
const elsewhere = { netns: '/run/netns/b', netnsId: '4:18', processStart: 3, bootId: 'boot-2', bootedAt: 5, uptime: 6 };
const noSandbox = { netns: null, netnsId: null, processStart: null, bootId: null, bootedAt: null, uptime: null };
const asking = { sandbox: elsewhere, workload, cooldownMs: 0 };
const beginning = { mark: 'a', network: 'net-1', view: 'default', ...asking, callers: ['new'] };
const phases: readonly Phase[] = ['pending', 'bound', 'releasing'];

/** A lease of the phase with a past: doubt of both kinds, callers, failed attempts. */
function historic(phase: Phase): Lease {
  return aLease('a', {
    ...{ phase, address: phase === 'pending' ? null : '10.0.0.2', callers: 'one two', attempts: 3, dueAt: 7 },
    releasedBy: phase === 'releasing' ? 'reaper' : null,
    releasedAt: phase === 'releasing' ? 3 : null,
    ...{ createInDoubtUntil: now + 5_000, deleteInDoubtUntil: now + 6_000 },
  });
}

type Change = (lease: Lease) => Lease;
type Expected = Partial<Lease> | 'the same';

const deleted = { releasedBy: 'DEL', releasedAt: now, attempts: 0, dueAt: now } as const;

/** The fields that each transition changes in each phase. All others stay. */
const transitions: readonly [string, Change, Record<Phase, Expected>][] = [
  [
    'begin',
    (lease) => begin(lease, beginning, noon),
    {
      pending: {
        ...{
          ...elsewhere,
          workload,
          callers: 'new',
          createdAt: now,
          writtenAt: now,
          attempts: 0,
          dueAt: now + window.end,
        },
        // The interrupted ADD may have sent a create a moment ago.
        createInDoubtUntil: now + window.end,
      },
      bound: {
        ...{
          ...elsewhere,
          workload,
          phase: 'pending',
          address: null,
          callers: 'one two new',
          createdAt: now,
          writtenAt: now,
          attempts: 0,
        },
        dueAt: now + window.end,
      },
      releasing: {
        ...{
          ...elsewhere,
          workload,
          phase: 'pending',
          callers: 'new',
          createdAt: now,
          writtenAt: now,
          attempts: 0,
        },
        releasedBy: null,
        releasedAt: null,
        dueAt: now + window.end,
      },
    },
  ],
  [
    'bind',
    (lease) => bind(lease, '10.0.0.9', noon),
    {
      // The doubt about the create ends in 5,000 ms. Its early re-check is past, so the lease is due at the end.
      pending: { phase: 'bound', address: '10.0.0.9', writtenAt: now, attempts: 0, dueAt: now + 5_000 },
      bound: { address: '10.0.0.9', writtenAt: now, attempts: 0, dueAt: now + 5_000 },
      releasing: 'the same',
    },
  ],
  [
    'answer',
    (lease) => answer(lease, ['two', 'three']),
    {
      pending: { callers: 'one two three' },
      bound: { callers: 'one two three' },
      releasing: { callers: 'one two three' },
    },
  ],
  [
    'notAnswered of one of two',
    (lease) => notAnswered(lease, 'two'),
    { pending: { callers: 'one' }, bound: { callers: 'one' }, releasing: 'the same' },
  ],
  [
    'notAnswered of the last',
    (lease) => notAnswered({ ...lease, callers: 'one' }, 'one'),
    {
      pending: { callers: '' },
      bound: { callers: '' },
      releasing: { callers: 'one' },
    },
  ],
  [
    'notAnswered of nobody known',
    (lease) => notAnswered(lease, 'three'),
    { pending: 'the same', bound: 'the same', releasing: 'the same' },
  ],
  [
    'followView',
    (lease) => followView(lease, 'renamed'),
    { pending: { view: 'renamed' }, bound: { view: 'renamed' }, releasing: { view: 'renamed' } },
  ],
  [
    'startRelease',
    (lease) => startRelease(lease, 'GC', { now: 43, wall: 42 }),
    {
      pending: { phase: 'releasing', releasedBy: 'GC', releasedAt: 42, attempts: 0, dueAt: 43 },
      bound: { phase: 'releasing', releasedBy: 'GC', releasedAt: 42, attempts: 0, dueAt: 43 },
      // The lease is released already: time and cause stay.
      releasing: { attempts: 0, dueAt: 43 },
    },
  ],
  [
    'abandon',
    (lease) => abandon(lease, 'DEL', noon),
    {
      pending: { ...deleted, phase: 'releasing', writtenAt: now, createInDoubtUntil: now + window.end },
      bound: { ...deleted, phase: 'releasing' },
      releasing: { attempts: 0, dueAt: now },
    },
  ],
  [
    'createInDoubt',
    (lease) => createInDoubt(lease, noon),
    {
      pending: { writtenAt: now, createInDoubtUntil: now + window.end },
      // The delete's doubt ends in 6,000 ms, before the re-check of the create.
      bound: { writtenAt: now, createInDoubtUntil: now + window.end, dueAt: now + 6_000 },
      releasing: { writtenAt: now, createInDoubtUntil: now + window.end },
    },
  ],
  [
    'createRefused',
    (lease) => createRefused({ ...lease, writtenAt: now, createInDoubtUntil: now + window.end }, lease),
    { pending: {}, bound: {}, releasing: {} },
  ],
  [
    'deleteInDoubt',
    (lease) => deleteInDoubt(lease, noon),
    {
      pending: { deleteInDoubtUntil: now + window.end },
      bound: { deleteInDoubtUntil: now + window.end },
      releasing: { deleteInDoubtUntil: now + window.end },
    },
  ],
  [
    'deleteAnswered',
    (lease) => deleteAnswered(deleteInDoubt(lease, noon), lease),
    { pending: {}, bound: {}, releasing: {} },
  ],
  [
    'settle',
    (lease) => settle(lease, noon),
    {
      pending: 'the same',
      bound: { attempts: 0, deleteInDoubtUntil: null, dueAt: now + 5_000 },
      releasing: 'the same',
    },
  ],
  [
    'keepDoubt',
    (lease) => keepDoubt(lease, noon),
    { pending: 'the same', bound: { attempts: 0, dueAt: now + 5_000 }, releasing: 'the same' },
  ],
  [
    'recheck',
    (lease) => recheck(lease, 42),
    { pending: { attempts: 0, dueAt: 42 }, bound: { attempts: 0, dueAt: 42 }, releasing: { attempts: 0, dueAt: 42 } },
  ],
  [
    'postpone',
    (lease) => postpone(lease, 42),
    { pending: { attempts: 4, dueAt: 42 }, bound: { attempts: 4, dueAt: 42 }, releasing: { attempts: 4, dueAt: 42 } },
  ],
  [
    'askAgain',
    (lease) => askAgain(lease, asking),
    {
      pending: { ...elsewhere, workload },
      bound: { ...elsewhere, workload },
      releasing: { ...elsewhere, workload },
    },
  ],
];

const cells = transitions.flatMap(([name, change, expected]) =>
  phases.map((phase) => ({ name, phase, change, expected: expected[phase] })),
);

describe('a transition', () => {
  test.each(cells)('$name of a $phase lease', ({ name, phase, change, expected }) => {
    const before = historic(phase);
    const after = change(before);
    if (expected === 'the same') expect(after).toBe(before);
    else expect(after).toEqual({ ...before, ...expected });
    expect(before, `${name} changes no copy that somebody has`).toEqual(historic(phase));
  });
});

describe('begin', () => {
  test('makes a lease without doubt for a new attachment, due if its ADD never ends', () => {
    expect(begin(undefined, beginning, noon)).toEqual({
      ...{ ...aLease('a'), ...elsewhere, workload, phase: 'pending', address: null, callers: 'new' },
      ...{ createdAt: now, writtenAt: now, dueAt: now + window.end },
    });
  });

  test('keeps current doubt, and drops doubt that has ended', () => {
    const doubtful = aLease('a', { createInDoubtUntil: now - 1, deleteInDoubtUntil: now + 1 });
    expect(begin(doubtful, beginning, noon)).toMatchObject({ createInDoubtUntil: null, deleteInDoubtUntil: now + 1 });
  });

  test('keeps the callers who were told the address that the grid has lost, and no others', () => {
    const callers = (phase: Phase) => begin(aLease('a', { phase, callers: 'one' }), beginning, noon).callers;
    expect(phases.map(callers)).toEqual(['new', 'one new', 'new']);
    expect(begin(aLease('a', { callers: null }), beginning, noon).callers).toBeNull();
  });
});

test('an imported lease is bound, older than any call, and without a known sandbox', () => {
  expect(imported({ mark: 'a', network: 'net-1', view: 'default' }, '10.0.0.2')).toEqual({
    ...{ ...aLease('a'), ...noSandbox, createdAt: 0, writtenAt: 0 },
  });
});

test('releasing an unknown attachment makes a lease without address that is due at once', () => {
  expect(unknownToRelease({ mark: 'a', network: 'net-1', view: 'default' }, 'DEL', noon)).toEqual({
    ...{ ...aLease('a'), ...noSandbox, phase: 'releasing', address: null },
    ...{ createdAt: now, writtenAt: now, releasedBy: 'DEL', releasedAt: now, dueAt: now },
  });
});

describe('a bound lease is looked at again', () => {
  const bound = (over: Partial<Lease>) => settle(aLease('a', { ...over }), noon).dueAt;

  test('never, if nothing is in doubt', () => expect(bound({ dueAt: 5 })).toBeNull());

  test('soon after a create in doubt, and at the end of the doubt', () => {
    const createInDoubtUntil = now + window.end;
    expect(bound({ createInDoubtUntil })).toBe(now + window.recheck);
    expect(settle(aLease('a', { createInDoubtUntil }), momentAt(now + window.recheck)).dueAt).toBe(createInDoubtUntil);
  });

  test('when the doubt about a delete ends, unless a look without surplus ended it earlier', () => {
    const doubtful = aLease('a', { phase: 'pending', deleteInDoubtUntil: now + window.end });
    expect(bind(doubtful, '10.0.0.2', noon).dueAt).toBe(now + window.end);
    expect(bound({ deleteInDoubtUntil: now + window.end })).toBeNull();
  });
});

describe('doubt', () => {
  const lease = aLease('a', { createInDoubtUntil: now, deleteInDoubtUntil: now + 1 });

  test('is over at its end', () => expect(doubtOf(lease, noon)).toEqual({ create: null, delete: now + 1 }));

  test('does not exist without a lease', () =>
    expect(doubtOf(undefined, noon)).toEqual({ create: null, delete: null }));

  test.each([-86_400_000, 0, 86_400_000])('starts again in a new run, even if the clock was set by %s ms', (set) => {
    const written = deleteInDoubt(createInDoubt(aLease('a'), noon), noon);
    const start = momentAt(now + set);
    const doubt = { create: start.now + window.end, delete: start.now + window.end };
    expect(doubtOf(resumed(written, start), start)).toEqual(doubt);
    expect(doubtOf(resumed(aLease('a'), start), start)).toEqual({ create: null, delete: null });
  });

  test('is re-checked once soon, and then at its end', () => {
    const until = now + window.end;
    const at = (later: number) => nextRecheck(until, momentAt(now + later)) - now;
    expect([at(0), at(window.recheck - 1), at(window.recheck), at(window.end - 1)]).toEqual([
      ...[window.recheck, window.recheck, window.end, window.end],
    ]);
  });
});

describe('a cool-down', () => {
  const minute = 60_000;
  const told = aLease('a', { callers: 'one', cooldownMs: 10 * minute });
  const resting = startRelease(told, 'DEL', noon);
  const later = (milliseconds: number) => momentAt(now + milliseconds);

  test('keeps the address of a released attachment reserved until it is over', () => {
    expect(resting).toMatchObject({ phase: 'releasing', restsUntil: now + 10 * minute, dueAt: now + 10 * minute });
    const shown = (lease: Lease, at: Moment) => shownPhase(lease, at.now);
    expect([noon, later(10 * minute - 1), later(10 * minute)].map((at) => shown(resting, at))).toEqual([
      ...['resting', 'resting', 'releasing'],
    ]);
    expect(phases.map((phase) => shown(aLease('a', { phase }), noon))).toEqual(phases);
  });

  test.each<[string, Partial<Lease>]>([
    ['no caller was told the address', { callers: '' }],
    ['its ADD has not ended', { phase: 'pending', address: null }],
    ['it is 0', { cooldownMs: 0 }],
  ])('is skipped if %s', (_, over) => {
    expect(startRelease({ ...told, ...over }, 'DEL', noon)).toMatchObject({ restsUntil: null, dueAt: now });
  });

  test('applies to an imported lease, whose callers are unknown', () => {
    const lease = imported({ mark: 'a', network: 'net-1', view: 'default' }, '10.0.0.2', minute);
    expect(startRelease(lease, 'GC', noon).restsUntil).toBe(now + minute);
  });

  test('continues when another ADD of the attachment fails, or is not delivered', () => {
    const again = begin(resting, { ...beginning, cooldownMs: 10 * minute }, later(minute));
    expect(abandon(again, 'unfinished', later(2 * minute))).toMatchObject({ dueAt: resting.dueAt });
    expect(abandon(again, 'unfinished', later(20 * minute))).toMatchObject({ dueAt: now + 20 * minute });
    const bound = bind(again, '10.0.0.2', later(minute));
    expect(bound.dueAt).toBeNull();
    expect(startRelease({ ...bound, callers: '' }, 'undelivered', later(3 * minute))).toMatchObject({
      dueAt: resting.dueAt,
    });
    expect(startRelease(bound, 'DEL', later(3 * minute)).restsUntil).toBe(now + 13 * minute);
    expect(bind(again, '10.0.0.3', later(minute)).restsUntil).toBeNull();
  });

  test('is the one that the last ADD asked for', () => {
    expect(askAgain(told, { ...asking, cooldownMs: minute }).cooldownMs).toBe(minute);
  });

  test.each([-86_400_000, 0, 86_400_000])('starts again in a new run, even if the clock was set by %s ms', (set) => {
    const start = later(minute + set);
    const end = start.now + 10 * minute;
    expect(resumed(resting, start)).toMatchObject({ restsUntil: end, dueAt: end });
    const again = resumed(begin(resting, { ...beginning, cooldownMs: 10 * minute }, noon), start);
    expect(abandon(again, 'unfinished', start).dueAt).toBe(end);
  });

  test('is not repeated in a new run if a look after it left the lease to a person', () => {
    const looked = awaitPerson(resting, later(11 * minute));
    const start = later(12 * minute);
    expect(resumed(looked, start)).toMatchObject({ restsUntil: null, dueAt: start.now + window.end });
    // A DEL that came during the look.
    expect(awaitPerson(resting, later(9 * minute))).toMatchObject({ restsUntil: resting.restsUntil });
  });
});

test('a workload keeps the fields that a later ADD does not name', () => {
  const lease = askAgain(aLease('a', { workload }), { ...asking, workload: { containerId: 'c1', uid: '8c1d' } });
  expect(lease.workload).toEqual({ ...workload, uid: '8c1d' });
});

test('a lease has the sandbox that its ADD saw', () => {
  expect(begin(undefined, { ...beginning, sandbox }, noon)).toMatchObject(sandbox);
});
