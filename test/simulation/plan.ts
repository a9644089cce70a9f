/**
 * The events of a run, timed calls and faults, as plain data that fast-check generates and shrinks. Each run has a random subset of all
 * kinds (swarm testing), so that common events do not hide rare combinations.
 */
import fc from 'fast-check';
import type { Quirks } from '../simulator/store/database.ts';
import { fates, type PathTroubles } from './network-path.ts';
import type { AddWay } from './runtime.ts';
import type { Setup } from './site.ts';

/** `host` and `slot` name a place for one container after another. */
interface InSlot {
  readonly host: number;
  readonly slot: number;
}

export type Happening =
  | ({
      readonly kind: 'start';
      readonly again: boolean;
      readonly way: AddWay;
      /** Of the address that the container asks for. */
      readonly part?: number | undefined;
    } & InSlot)
  | ({ readonly kind: 'add again' | 'check' | 'stop' | 'die' } & InSlot)
  /** Events on all hosts at once. */
  | { readonly kind: 'all start'; readonly slot: number }
  | { readonly kind: 'collect' | 'restart' | 'reboot' | 'state lost' | 'back up'; readonly host: number }
  /** The host reboots with its backup in place of its state. */
  | { readonly kind: 'restore'; readonly host: number }
  /** Commands of an operator. */
  | ({ readonly kind: 'release'; readonly evenIfAlive: boolean } & InSlot)
  | { readonly kind: 'gc by hand' | 'gc of host'; readonly host: number }
  /** The daemon is killed and started again after some milliseconds. */
  | { readonly kind: 'kill'; readonly host: number; readonly downMs: number }
  /** A host is lost for good, gets another name, or its disk is copied to a further machine. */
  | { readonly kind: 'host gone' | 'rename host' | 'clone'; readonly host: number }
  /** The configuration of all hosts changes. */
  | { readonly kind: 'configure'; readonly hasRange: boolean; readonly blockSize: number }
  | { readonly kind: 'set clock'; readonly host: number; readonly byMs: number }
  | { readonly kind: 'disk full'; readonly host: number; readonly forMs: number }
  | { readonly kind: 'grid away' | 'read-only'; readonly forMs: number }
  /** The master is lost, and the candidate promoted; the lost one rejoins after some milliseconds. */
  | { readonly kind: 'fail over'; readonly backMs: number }
  | {
      readonly kind: 'view renamed';
      readonly to: string;
      readonly forMs: number;
      /** Whether the view gets its name back, or configurations follow. */
      readonly end: 'undone' | 'followed';
    }
  /** An administrator removes the reservation of a container, or writes a note into its comment and takes it back later. */
  | ({ readonly kind: 'removed by hand' | 'altered by hand' } & InSlot)
  | { readonly kind: 'gateway removed' }
  | { readonly kind: 'network removed'; readonly forMs: number }
  /** A foreign client takes the next free address, or releases its first one. */
  | { readonly kind: 'stranger takes' | 'stranger leaves' }
  /** A foreign client deletes a reservation of this driver, and takes its address. */
  | { readonly kind: 'stranger replaces'; readonly index: number }
  /** A foreign client takes an address inside a block, or removes a block. */
  | { readonly kind: 'taken in a block'; readonly index: number; readonly part: number }
  | { readonly kind: 'block removed by hand'; readonly index: number }
  /** A container ends that was started under the original driver. */
  | { readonly kind: 'original stops'; readonly host: number };

export type HappeningKind = Happening['kind'];

export interface Step {
  readonly afterMs: number;
  readonly happening: Happening;
}

export interface Plan {
  readonly seed: number;
  readonly hosts: number;
  readonly setup: Setup;
  readonly troubles: PathTroubles;
  /** Milliseconds until the candidate has what the master has. */
  readonly lagMs: number;
  /** Whether daemons look for dead containers. */
  readonly reaps: boolean;
  /** Undocumented behaviour of grids. */
  readonly quirks: Partial<Quirks>;
  readonly steps: readonly Step[];
}

const slots = 4;
/** Kinds of every run. */
const always: readonly HappeningKind[] = ['start', 'stop'];
const sometimes: readonly HappeningKind[] = [
  'all start',
  'add again',
  'check',
  'die',
  'collect',
  'release',
  'gc by hand',
  'restart',
  'reboot',
  'kill',
  'host gone',
  'rename host',
  'clone',
  'set clock',
  'state lost',
  'back up',
  'configure',
  'disk full',
  'grid away',
  'read-only',
  'fail over',
  'view renamed',
  'removed by hand',
  'altered by hand',
  'gateway removed',
  'network removed',
  'stranger takes',
  'stranger replaces',
  'stranger leaves',
  'taken in a block',
  'block removed by hand',
];
/** Kinds that need another kind. */
const companions: Partial<Record<HappeningKind, readonly HappeningKind[]>> = {
  'host gone': ['gc of host'],
  'back up': ['restore'],
};

const seldom = fc.constantFrom(false, false, true);
const setups: fc.Arbitrary<Setup> = fc
  .record({
    place: fc.constantFrom('subnet', 'subnet', 'by name'),
    view: fc.constantFrom('default', 'blue'),
    isPrepared: fc.boolean(),
    hasOwnAddresses: seldom,
    hasOriginals: seldom,
    hasTwoSets: fc.boolean(),
  })
  .map((setup) => ({
    ...setup,
    hasOriginals: setup.hasOriginals && setup.place === 'subnet' && setup.view === 'default',
    hasTwoSets: setup.hasTwoSets && setup.place === 'subnet',
  }));

/** Generates some network faults, each rare or frequent. */
const troubles: fc.Arbitrary<PathTroubles> = fc
  .array(fc.tuple(fc.constantFrom(...fates), fc.constantFrom(0.01, 0.05, 0.2)), { maxLength: 4 })
  .map((drawn) => Object.fromEntries(drawn));
/** Generates a subset of about half of all kinds. */
const half = fc
  .tuple(...sometimes.map(() => fc.boolean()))
  .map((drawn) => sometimes.filter((_, index) => drawn[index] === true));
const afterMs = fc.oneof(
  { weight: 6, arbitrary: fc.nat(100) },
  { weight: 3, arbitrary: fc.nat(3_000) },
  { weight: 1, arbitrary: fc.nat(90_000) },
);
const maxHosts = 8;

/** @param maxSteps how many are drawn at most; those of the kinds that the run does not have are left out */
export function plans(maxSteps: number): fc.Arbitrary<Plan> {
  return fc
    .record({
      seed: fc.integer(),
      hosts: fc.oneof(
        { weight: 3, arbitrary: fc.constant(1) },
        { weight: 3, arbitrary: fc.integer({ min: 2, max: 3 }) },
        { weight: 1, arbitrary: fc.integer({ min: 4, max: maxHosts }) },
      ),
      setup: setups,
      kinds: half,
      troubles,
      lagMs: fc.constantFrom(1, 50, 5_000, 60_000),
      reaps: fc.boolean(),
      quirks: fc.record({ rangesMayOverlap: seldom, networksGiveFromRanges: seldom, rangesReadUsed: seldom }),
      steps: fc.array(fc.record({ afterMs, happening: happenings() }), { maxLength: maxSteps, size: 'max' }),
    })
    .map(({ kinds, steps, ...plan }) => {
      const possible = new Set(kindsFor(plan.setup, kinds));
      return { ...plan, steps: steps.filter(({ happening }) => possible.has(happening.kind)) };
    });
}

/** Tells which kinds may be combined. */
function kindsFor({ place, view, hasOriginals }: Setup, drawn: readonly HappeningKind[]): HappeningKind[] {
  const mayRename = view !== 'default' && drawn.includes('view renamed');
  // What a promoted candidate knows of a renamed view is not told apart here.
  const isPossible = (kind: HappeningKind) => {
    if (kind === 'fail over') return !mayRename;
    // Hosts that create a network by name again may not see each other's on a candidate that lags behind.
    if (kind === 'network removed') return place === 'subnet';
    return kind !== 'view renamed' || mayRename;
  };
  const kinds = drawn.filter(isPossible).flatMap((kind) => [kind, ...(companions[kind] ?? [])]);
  return [...always, ...kinds, ...(hasOriginals ? (['original stops'] as const) : [])];
}

function happenings(): fc.Arbitrary<Happening> {
  const host = fc.nat(maxHosts - 1);
  const slot = fc.nat(slots - 1);
  const inSlot = { host, slot };
  const forMs = fc.constantFrom(200, 4_000, 20_000, 120_000);
  const way = fc.constantFrom<AddWay>(
    'plain',
    'plain',
    'plain',
    'plain',
    'twice',
    'hangs up',
    'deleted meanwhile',
    'unread',
  );
  // A requested address is one of the first ones, which others mostly have.
  const part = fc.option(fc.integer({ min: 1, max: 12 }), { freq: 6, nil: undefined });
  const of = <K extends HappeningKind, T>(kind: K, fields: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) =>
    fc.record(fields).map((drawn) => ({ kind, ...drawn }));
  const weighted = (weight: number, arbitrary: fc.Arbitrary<Happening>) => ({ weight, arbitrary });
  return fc.oneof(
    weighted(12, of('start', { ...inSlot, again: fc.boolean(), way, part })),
    weighted(8, of('stop', inSlot)),
    weighted(2, of('all start', { slot })),
    weighted(4, of('add again', inSlot)),
    weighted(4, of('die', inSlot)),
    weighted(2, of('check', inSlot)),
    weighted(2, of('removed by hand', inSlot)),
    weighted(2, of('altered by hand', inSlot)),
    weighted(2, of('release', { ...inSlot, evenIfAlive: fc.boolean() })),
    weighted(2, of('kill', { host, downMs: fc.constantFrom(10, 1_000, 70_000) })),
    weighted(2, of('fail over', { backMs: forMs })),
    weighted(1, of('collect', { host })),
    weighted(1, of('restart', { host })),
    weighted(1, of('reboot', { host })),
    weighted(1, of('gc by hand', { host })),
    weighted(1, of('gc of host', { host })),
    weighted(1, of('host gone', { host })),
    weighted(1, of('rename host', { host })),
    weighted(1, of('clone', { host })),
    weighted(1, of('state lost', { host })),
    weighted(3, of('configure', { hasRange: fc.boolean(), blockSize: fc.constantFrom(0, 8) })),
    weighted(1, of('back up', { host })),
    weighted(1, of('restore', { host })),
    weighted(1, of('disk full', { host, forMs })),
    weighted(1, of('set clock', { host, byMs: fc.constantFrom(-86_400_000, -60_000, 60_000, 86_400_000) })),
    weighted(1, of('grid away', { forMs })),
    weighted(1, of('read-only', { forMs })),
    weighted(
      1,
      of('view renamed', {
        to: fc.constantFrom('green', 'red'),
        forMs,
        end: fc.constantFrom('undone' as const, 'followed' as const),
      }),
    ),
    weighted(1, fc.constant({ kind: 'gateway removed' })),
    weighted(1, of('network removed', { forMs })),
    weighted(2, fc.constant({ kind: 'stranger takes' })),
    weighted(1, of('stranger replaces', { index: fc.nat(31) })),
    weighted(1, fc.constant({ kind: 'stranger leaves' })),
    weighted(1, of('taken in a block', { index: fc.nat(7), part: fc.nat(7) })),
    weighted(1, of('block removed by hand', { index: fc.nat(7) })),
    weighted(2, of('original stops', { host })),
  );
}
