import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Fate } from '../../../../src/infoblox/host.ts';
import { deleteInDoubt } from '../../../../src/infoblox/lease/doubt.ts';
import {
  type Cause,
  causes,
  type Evidence,
  ending,
  endingRule,
  endings,
  endLease,
  type Reason,
} from '../../../../src/infoblox/lease/endings.ts';
import { createInDoubt, type Lease } from '../../../../src/infoblox/lease/lease.ts';
import type { PhaseOrNone } from '../../../../src/infoblox/lease/plan.ts';
import type { LeaseStore } from '../../../../src/infoblox/lease/store/lease-store.ts';
import { aLease, noon, window } from '../../../fixture/a-lease.ts';

/** Every cell, decided by a person, to compare with the decision of the code. `-` marks an impossible cell. */
const cells = `
DEL                    | none     pending  bound    releasing
the call               | release  abandon  release  keep

caller left            | none     pending  bound    releasing
nobody else was told   | keep     keep     release  keep
others may be told     | keep     keep     keep     keep

failed ADD             | none     pending  bound    releasing
nothing left           | keep     forget   keep     keep
perhaps something left | keep     release  keep     keep
create in doubt        | keep     abandon  keep     keep

dead ADD               | none     pending  bound    releasing
the call               | keep     abandon  keep     keep

GC                     | none     pending  bound    releasing
valid                  | keep     keep     keep     keep
ADD under way          | keep     keep     keep     keep
told since             | keep     keep     keep     keep
not valid              | release  keep     release  keep

reaper                 | none     pending  bound    releasing
ADD under way          | keep     keep     keep     keep
told since             | keep     keep     keep     keep
alive                  | keep     keep     keep     keep
unknown                | keep     keep     keep     keep
gone once              | keep     keep     keep     keep
gone twice             | keep     keep     release  keep
gone with its boot     | keep     keep     release  keep

gc                     | none     pending  bound    releasing
ADD under way          | keep     keep     keep     keep
alive                  | keep     keep     keep     keep
unknown                | keep     keep     keep     keep
gone once              | keep     keep     release  keep
gone with its boot     | keep     keep     release  keep

release                | none     pending  bound    releasing
alive                  | keep     keep     keep     keep
the call               | keep     abandon  release  keep

gc --host              | none     pending  bound    releasing
the call               | release  -        -        keep
`;

const written = cells
  .trim()
  .split('\n\n')
  .flatMap((block) => {
    const [head = '', ...lines] = block.split('\n');
    const [cause = '', phases = ''] = head.split('|').map((part) => part.trim());
    return lines.flatMap((line) => {
      const [evidence = '', answers = ''] = line.split('|').map((part) => part.trim());
      return phases.split(/ +/).map((phase, index) => {
        const answer = answers.split(/ +/)[index] ?? '';
        return { cause: cause as Cause, phase: phase as PhaseOrNone, evidence: evidence as Evidence, answer };
      });
    });
  });

const possible = written.filter(({ answer }) => answer !== '-');

describe('the table', () => {
  test('has every cell in this file', () => {
    const key = (cause: string, evidence: string, phase: string) => `${cause}, ${evidence}, ${phase}`;
    const all = Object.entries(causes).flatMap(([cause, { evidence }]) =>
      evidence.flatMap((one) => ['none', 'pending', 'bound', 'releasing'].map((phase) => key(cause, one, phase))),
    );
    expect(written.map(({ cause, evidence, phase }) => key(cause, evidence, phase)).sort()).toEqual(all.sort());
  });

  test('has one rule for each cell, and no row that matches none', () => {
    const meeting = ({ cause, phase, evidence }: (typeof written)[number]) =>
      endings.filter((row) => row.cause === cause && row.phase.includes(phase) && row.evidence.includes(evidence));
    expect(written.map((cell) => meeting(cell).length)).toEqual(written.map(() => 1));
    expect(new Set(written.flatMap(meeting)).size).toBe(endings.length);
    expect(endings.filter(({ because }) => because === '')).toEqual([]);
  });

  test.each(written)('$cause, $evidence, $phase: $answer', ({ cause, phase, evidence, answer }) => {
    expect(endingRule(cause, phase, evidence).answer).toBe(answer === '-' ? 'impossible' : answer);
  });
});

/** Returns what this host knows when it has the given evidence. */
function knownOf(evidence: Evidence) {
  const fates: readonly Evidence[] = ['alive', 'unknown', 'gone with its boot'];
  const fate = fates.includes(evidence) ? (evidence as Fate) : 'gone';
  return {
    moment: noon,
    fate: () => fate,
    isAdding: evidence === 'ADD under way',
    toldSince: () => evidence === 'told since',
  };
}

/** Returns the reason that the caller of `ending` gives then. */
function reasonOf(cause: Cause, evidence: Evidence): Reason {
  switch (cause) {
    case 'caller left':
      return { cause, caller: evidence === 'nobody else was told' ? 'one' : 'two' };
    case 'failed ADD':
      return { cause, mayBeOnGrid: evidence !== 'nothing left', isDoubtful: evidence === 'create in doubt' };
    case 'GC':
      return { cause, since: 0, isValid: evidence === 'valid' };
    case 'reaper':
      return { cause, since: 0, isFirstLook: evidence !== 'gone twice' };
    case 'release':
      return { cause, evenIfAlive: false };
    default:
      return { cause };
  }
}

const identity = { mark: 'a', network: 'net-1', view: 'default' };

function leaseOf(phase: PhaseOrNone): Lease | undefined {
  if (phase === 'none') return undefined;
  return aLease('a', {
    phase,
    address: phase === 'pending' ? null : '10.0.0.2',
    callers: 'one',
    createdAt: noon.now - 5,
  });
}

const endOf = (reason: Reason, lease: Lease | undefined, evidence: Evidence = 'the call') =>
  ending(reason, { identity, lease }, knownOf(evidence));

const depsOf = (apply: LeaseStore['apply']) => ({
  store: { apply, get: () => undefined, lastUptime: () => null },
  host: { fate: (): Fate => 'unknown' },
  adds: { underWay: () => false },
  answers: { toldSince: () => false },
  exhaustion: { released: () => undefined },
  moment: () => noon,
  log: { error: () => undefined },
});

describe('a lease', () => {
  test.each(possible)(
    'that is $phase, ended by $cause with evidence "$evidence": $answer',
    ({ cause, phase, evidence, answer }) => {
      const before = leaseOf(phase);
      const { lease: after, ...ended } = endOf(reasonOf(cause, evidence), before, evidence);
      expect(ended.answer).toBe(answer);
      if (answer === 'keep') expect(after?.phase).toBe(before?.phase);
      else if (answer === 'forget') expect(after).toBeUndefined();
      else {
        const { now } = noon;
        expect(after).toMatchObject({ phase: 'releasing', releasedBy: causes[cause].by, releasedAt: now, dueAt: now });
        expect(after?.createInDoubtUntil).toBe(answer === 'abandon' ? now + window.end : null);
      }
    },
  );

  test('that is kept is unchanged, except that a caller who left is removed', () => {
    for (const { cause, phase, evidence } of possible.filter(({ answer }) => answer === 'keep')) {
      const before = leaseOf(phase);
      const { lease: after } = endOf(reasonOf(cause, evidence), before, evidence);
      if (cause !== 'caller left') expect(after).toBe(before);
    }
    const left = { cause: 'caller left', caller: 'one' } as const;
    expect(endOf(left, aLease('a', { callers: 'one two' })).lease?.callers).toBe('two');
    expect(endOf(left, leaseOf('pending'))).toMatchObject({ answer: 'keep', lease: { callers: '' } });
  });

  test('whose callers are unknown is kept when one of them leaves', () => {
    expect(endOf({ cause: 'caller left', caller: 'one' }, aLease('a', { callers: null })).answer).toBe('keep');
  });

  test.each([
    ['a create', createInDoubt],
    ['a delete', deleteInDoubt],
  ])('of a failed ADD that has %s in doubt is not forgotten', (_, transition) => {
    const doubtful = transition(aLease('a', { phase: 'pending', address: null }), noon);
    const ended = endOf({ cause: 'failed ADD', mayBeOnGrid: false, isDoubtful: false }, doubtful);
    expect(ended).toMatchObject({ answer: 'release', lease: { phase: 'releasing' } });
    expect(ended.lease).toMatchObject({ ...doubtful, ...ended.lease });
  });

  test('of a live sandbox is released if a person insists', () => {
    expect(endOf({ cause: 'release', evenIfAlive: true }, leaseOf('bound'), 'alive').answer).toBe('release');
  });

  test.each([
    ['when it was called', noon.now - 2, noon.now - 2],
    ['not before the lease began', noon.now - 9, noon.now - 5],
    ['not in the future', noon.now + 9, noon.now],
  ])('whose DEL is reported late ended at the time of the call: %s', (_, at, releasedAt) => {
    const { lease } = endOf({ cause: 'DEL', at }, leaseOf('bound'));
    expect(lease).toMatchObject({ releasedAt, dueAt: noon.now });
  });

  test('is judged by its state inside the transaction', () => {
    let stored: Lease | undefined = aLease('a', { netns: '/run/netns/new' });
    const apply = (_: string, change: (lease?: Lease) => Lease | undefined) => (stored = change(stored));
    const fate = ({ netns }: Pick<Lease, 'netns'>): Fate => (netns === '/run/netns/new' ? 'alive' : 'gone');
    const ended = endLease({ ...depsOf(apply), host: { fate } }, aLease('a'), { cause: 'gc' });
    expect([ended.answer, stored?.phase]).toEqual(['keep', 'bound']);
  });

  test('is kept, with an error in the log, if its ending is impossible', () => {
    const errors: string[] = [];
    const log = { error: (message: string) => void errors.push(message) };
    const apply = (_: string, change: (lease?: Lease) => Lease | undefined) => change(leaseOf('bound'));
    const ended = endLease({ ...depsOf(apply), log }, identity, { cause: 'gc --host' });
    expect(ended).toMatchObject({ answer: 'impossible', lease: leaseOf('bound') });
    expect(errors).toEqual(['impossible end of a lease']);
  });
});

describe('nothing else in src ends a lease', () => {
  const src = join(import.meta.dirname, '../../../../src');
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const text = (file: string) => readFileSync(join(src, file), 'utf8');
  const naming = (pattern: RegExp) => files.filter((file) => pattern.test(text(file))).sort();
  const lease = 'infoblox/lease/lease.ts';

  test.each([
    ['startRelease', 'endings.ts'],
    ['abandon', 'endings.ts'],
    ['unknownToRelease', 'endings.ts'],
    ['forgetPending', 'endings.ts'],
    ['forgetReleased', 'endings.ts, writes.ts'],
  ])('%s is called only in %s', (transition, file) => {
    expect(naming(new RegExp(`\\b${transition}\\(|[{,]\\s*${transition}\\b`))).toEqual(
      [...file.split(', ').map((name) => `infoblox/lease/${name}`), lease].sort(),
    );
  });

  test('no other code writes a phase or makes the store forget a lease', () => {
    expect(naming(/\.\.\.[^}]*phase: '/)).toEqual(['infoblox/lease/block/block.ts', lease]);
    expect(naming(/\bapply\((?:(?!\);\n)[\s\S])*(=> undefined|return undefined)/)).toEqual([]);
  });
});
