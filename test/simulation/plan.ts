/**
 * What happens in a run, as plain data that fast-check makes and makes smaller: timed calls and troubles. Each run has a random part of
 * all kinds (swarm testing), so that rare combinations are not drowned by common events.
 */
import fc from 'fast-check';
import type { Quirks } from '../simulator/store/database.ts';
import type { PathTroubles } from './network-path.ts';
import type { AddWay } from './runtime.ts';

export type Happening =
  | {
      readonly kind: 'start';
      readonly host: number;
      readonly slot: number;
      readonly again: boolean;
      readonly way: AddWay;
    }
  | { readonly kind: 'add again' | 'check' | 'stop' | 'die'; readonly host: number; readonly slot: number }
  | { readonly kind: 'collect' | 'restart' | 'reboot'; readonly host: number }
  /** The daemon is killed and started again after some milliseconds. */
  | { readonly kind: 'kill'; readonly host: number; readonly downMs: number }
  | { readonly kind: 'set clock'; readonly host: number; readonly byMs: number }
  | { readonly kind: 'state lost'; readonly host: number }
  | { readonly kind: 'grid away' | 'read-only'; readonly forMs: number }
  /** The master is lost, and the candidate promoted; the lost one rejoins after some milliseconds. */
  | { readonly kind: 'fail over'; readonly backMs: number }
  /** An administrator removes the reservation of a container, or writes a note into its comment and takes it back later. */
  | { readonly kind: 'removed by hand' | 'altered by hand'; readonly host: number; readonly slot: number }
  /** Somebody else takes the next free address, or gives the first one back. */
  | { readonly kind: 'stranger takes' | 'stranger leaves' }
  /** Somebody takes an address inside the block of a host, or removes a block. */
  | { readonly kind: 'taken in a block'; readonly index: number; readonly part: number }
  | { readonly kind: 'block removed by hand'; readonly index: number };

export type HappeningKind = Happening['kind'];

export interface Step {
  readonly afterMs: number;
  readonly happening: Happening;
}

export interface Plan {
  readonly seed: number;
  readonly hosts: number;
  readonly troubles: PathTroubles;
  /** Milliseconds until the candidate has what the master has. */
  readonly lagMs: number;
  /** Sets of which each container gets an address. */
  readonly sets: 1 | 2;
  /** What no source says of grids. */
  readonly quirks: Partial<Quirks>;
  readonly steps: readonly Step[];
}

export const slots = 4;
/** Kinds without which nothing happens: they are in every run. */
const always: readonly HappeningKind[] = ['start', 'stop'];
const sometimes: readonly HappeningKind[] = [
  'add again',
  'check',
  'die',
  'collect',
  'restart',
  'reboot',
  'kill',
  'set clock',
  'state lost',
  'grid away',
  'read-only',
  'fail over',
  'removed by hand',
  'altered by hand',
  'stranger takes',
  'stranger leaves',
  'taken in a block',
  'block removed by hand',
];

const seldom = fc.constantFrom(false, false, true);
const rate = fc.constantFrom(0.01, 0.05, 0.2);
const troubles: fc.Arbitrary<PathTroubles> = fc.record(
  {
    slow: rate,
    connectsSlowly: rate,
    refused: rate,
    dropped: rate,
    answerLost: rate,
    silence: rate,
    late: rate,
    fault: rate,
    lookFirst: rate,
  },
  { requiredKeys: [] },
);
const afterMs = fc.oneof(
  { weight: 6, arbitrary: fc.nat(100) },
  { weight: 3, arbitrary: fc.nat(3_000) },
  { weight: 1, arbitrary: fc.nat(90_000) },
);

/** @param steps how many there are at most */
export function plans(steps: number): fc.Arbitrary<Plan> {
  return fc
    .record({
      seed: fc.integer(),
      hosts: fc.oneof(
        { weight: 3, arbitrary: fc.constant(1) },
        { weight: 5, arbitrary: fc.integer({ min: 2, max: 8 }) },
      ),
      kinds: fc.subarray([...sometimes]),
    })
    .chain(({ seed, hosts, kinds }) =>
      fc.record({
        seed: fc.constant(seed),
        hosts: fc.constant(hosts),
        troubles,
        lagMs: fc.constantFrom(1, 50, 5_000, 60_000),
        sets: fc.constantFrom<1 | 2>(1, 2),
        quirks: fc.record({ rangesMayOverlap: seldom, networksGiveFromRanges: seldom, rangesReadUsed: seldom }),
        steps: fc.array(fc.record({ afterMs, happening: happeningOf([...always, ...kinds], hosts) }), {
          minLength: Math.floor(steps / 2),
          maxLength: steps,
          size: 'max',
        }),
      }),
    );
}

function happeningOf(kinds: readonly HappeningKind[], hosts: number): fc.Arbitrary<Happening> {
  const host = fc.nat(hosts - 1);
  const slot = fc.nat(slots - 1);
  const forMs = fc.constantFrom(200, 4_000, 20_000, 120_000);
  const way = fc.constantFrom<AddWay>('plain', 'plain', 'plain', 'twice', 'hangs up', 'deleted meanwhile');
  const weights: Partial<Record<HappeningKind, number>> = { start: 12, stop: 8, 'add again': 3, die: 3 };
  const one = (kind: HappeningKind): fc.Arbitrary<Happening> => {
    switch (kind) {
      case 'start':
        return fc.record({ kind: fc.constant(kind), host, slot, again: fc.boolean(), way });
      case 'add again':
      case 'check':
      case 'stop':
      case 'die':
      case 'removed by hand':
      case 'altered by hand':
        return fc.record({ kind: fc.constant(kind), host, slot });
      case 'collect':
      case 'restart':
      case 'reboot':
      case 'state lost':
        return fc.record({ kind: fc.constant(kind), host });
      case 'kill':
        return fc.record({ kind: fc.constant(kind), host, downMs: fc.constantFrom(10, 1_000, 70_000) });
      case 'set clock':
        return fc.record({
          kind: fc.constant(kind),
          host,
          byMs: fc.constantFrom(-86_400_000, -60_000, 60_000, 86_400_000),
        });
      case 'grid away':
      case 'read-only':
        return fc.record({ kind: fc.constant(kind), forMs });
      case 'fail over':
        return fc.record({ kind: fc.constant(kind), backMs: forMs });
      case 'taken in a block':
        return fc.record({ kind: fc.constant(kind), index: fc.nat(7), part: fc.nat(7) });
      case 'block removed by hand':
        return fc.record({ kind: fc.constant(kind), index: fc.nat(7) });
      case 'stranger takes':
      case 'stranger leaves':
        return fc.record({ kind: fc.constant(kind) });
    }
  };
  return fc.oneof(...kinds.map((kind) => ({ weight: weights[kind] ?? 1, arbitrary: one(kind) })));
}
