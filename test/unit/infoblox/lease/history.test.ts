/** The event that each change of a lease adds to the history. */
import { describe, expect, test } from 'vitest';
import { type HistoryChange, historyChanges } from '../../../../src/infoblox/lease/history.ts';
import {
  abandon,
  answer,
  askAgain,
  begin,
  bind,
  createInDoubt,
  emptied,
  followView,
  imported,
  type Lease,
  postpone,
  startRelease,
} from '../../../../src/infoblox/lease/lease.ts';
import { aLease, asking, noon, sandbox } from '../../../fixture/a-lease.ts';

const beginning = { mark: 'a', network: 'net-1', view: 'default', ...asking, callers: ['new'] };
const pending = begin(undefined, beginning, noon);
const bound = bind(pending, '10.0.0.2', noon);
const releasing = startRelease(bound, 'DEL', noon);
const empty = emptied(releasing);
const again = begin(releasing, beginning, noon);
const import_ = imported({ mark: 'a', network: 'net-1', view: 'default' }, '10.0.0.2');

const ofA = { mark: 'a', address: '10.0.0.2' };
const release = (by: string, at: number | null = noon.now) => ({ kind: 'released', ...ofA, by, at });
const returned = { kind: 'returned', ...ofA };

/** The lease before and after, and the event for the history. */
const changes: readonly [string, Lease | undefined, Lease | undefined, readonly object[]][] = [
  ['an ADD begins', undefined, pending, []],
  ['it gets its address', pending, bound, [{ kind: 'bound', lease: bound }]],
  ['another ADD gets the same answer', bound, answer(bound, ['two']), []],
  ['a create is in doubt', bound, createInDoubt(bound, noon), []],
  ['its view is renamed', bound, followView(bound, 'x'), []],
  [
    'more of its workload is known',
    bound,
    askAgain(bound, { ...asking, workload: { containerId: 'c1', job: 'web' } }),
    [],
  ],
  ['it has another sandbox', bound, askAgain(bound, { ...asking, sandbox: { ...sandbox, netns: '/run/netns/b' } }), []],
  ['it is deleted', bound, releasing, [release('DEL')]],
  ['GC releases it', bound, startRelease(bound, 'GC', noon), [release('GC')]],
  ['its sandbox is gone', bound, startRelease(bound, 'reaper', noon), [release('reaper')]],
  ['its caller got no answer', bound, startRelease(bound, 'undelivered', noon), [release('undelivered')]],
  ['its release fails', releasing, postpone(releasing, noon.now), []],
  ['the grid has deleted it', releasing, empty, [returned]],
  ['the delete is confirmed', empty, undefined, []],
  ['the grid has deleted it, which is confirmed', releasing, undefined, [returned]],
  ['the attachment asks again before the delete', releasing, again, []],
  [
    'the attachment then gets the same address',
    again,
    bind(again, '10.0.0.2', noon),
    [returned, { kind: 'bound', lease: bind(again, '10.0.0.2', noon) }],
  ],
  [
    'the grid has lost it and refuses to re-create it',
    bound,
    begin(bound, beginning, noon),
    [release('lost', null), returned],
  ],
  ['an ADD fails', pending, undefined, []],
  ['an ADD was interrupted', pending, abandon(pending, 'unfinished', noon), []],
  ['it is imported', undefined, import_, [{ kind: 'bound', lease: import_ }]],
];

describe('the history records', () => {
  test.each(changes)('the right event when %s', (_, before, after, expected) => {
    expect(historyChanges(before, after)).toEqual(expected as HistoryChange[]);
  });
});

test('a lease without an address adds nothing to the history', () => {
  expect(historyChanges(undefined, aLease('a', { address: null }))).toEqual([]);
});
