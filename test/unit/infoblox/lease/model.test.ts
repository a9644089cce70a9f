/**
 * The argument of docs/architecture.md as a model: its invariants hold whatever happens in the world of model-world.ts,
 * and in whatever order. A failure here is a wrong decision of `plan` or `ending`.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addresses, type Ending, World, window } from './model-world.ts';

const ending = fc.constantFrom<Ending>('answered', 'done, answer lost', 'dropped, answer lost', 'late');
const containers = ['c1', 'c2', 'c3'] as const;
type Container = (typeof containers)[number];
const container = fc.constantFrom(...containers);
const endings = fc.array(ending, { maxLength: 3 });

type Happening = (world: World) => void;
const named = (text: string, happening: Happening) => Object.assign(happening, { toString: () => text });

const adds = (text: string, c: Container, e: Ending[], options = {}) =>
  named(text, (world) => world.add(c, [...e], options));

/** An event from outside, possible at any time. */
const event: fc.Arbitrary<Happening> = fc.oneof(
  container.map((c: Container) => named(`DEL ${c}`, (world) => world.del(c))),
  fc.nat(5).map((index) => named(`late write ${index} lands`, (world) => world.deliver(index))),
  fc.constant(named('another host takes an address', (world) => world.otherHostTakes())),
  fc.constant(named('another host gives one back', (world) => world.otherHostGivesBack())),
  fc
    .nat(3)
    .map((index) => named(`note ${index} of an ADD without an answer is taken`, (world) => world.takeNote(index))),
  fc.constant(named('the view is renamed, or back', (world) => world.renameView())),
  fc.tuple(fc.nat(5), fc.constantFrom(1, 9, 30, 61)).map(([index, ms]) =>
    named(`late write ${index} lands, and ${ms} ms pass`, (world) => {
      world.deliver(index);
      world.pass(ms);
    }),
  ),
);

/** An attempt of this host, which waits for the grid. */
const attempt: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 2, arbitrary: fc.tuple(container, endings).map(([c, e]) => adds(`ADD ${c} [${e}]`, c, e)) },
  fc
    .tuple(container, endings, fc.constantFrom(...addresses))
    .map(([c, e, wanted]) => adds(`ADD ${c} with ${wanted} [${e}]`, c, e, { wanted })),
  fc.tuple(container, endings).map(([c, e]) => adds(`ADD ${c} through a lagging host [${e}]`, c, e, { lagging: true })),
  fc.tuple(container, endings).map(([c, e]) => adds(`ADD ${c} in view v [${e}]`, c, e, { view: 'as ever' })),
  fc
    .tuple(container, endings, fc.constantFrom('said', 'noted'))
    .map(([c, e, unread]) => adds(`ADD ${c} whose caller leaves: ${unread} [${e}]`, c, e, { unread })),
  { weight: 2, arbitrary: endings.map((e) => named(`reconcile [${e}]`, (world) => world.reconcile([...e]))) },
  endings.map((e) => named(`reconcile through a lagging host [${e}]`, (world) => world.reconcile([...e], true))),
);

const happening: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 6, arbitrary: attempt },
  { weight: 4, arbitrary: event },
  {
    weight: 4,
    arbitrary: fc
      .tuple(attempt, event, fc.nat(9))
      .map(([a, e, n]) => named(`${a}; at its wait ${n}: ${e}`, (world) => world.during(n, e, () => a(world)))),
  },
  container.map((c: Container) => named(`${c} removed by hand`, (world) => world.removeByHand(c))),
  fc.constant(named('a host lags behind from now on', (world) => world.lag())),
  fc.tuple(container, ending).map(([c, e]) =>
    named(`killed in ADD ${c} [${e}]`, (world) => {
      if (!world.told.has(c)) world.dieDuringAdd(c, e);
    }),
  ),
  fc.constantFrom(1, 9, 30, 61).map((ms) => named(`${ms} ms pass`, (world) => world.pass(ms))),
);

/** Lets every late write land or be dropped, while the reconciler continues. */
function comeToRest(world: World): void {
  for (let round = 0; round < 6; round += 1) {
    while (world.late.length > 0) world.deliver(0);
    world.reconcile([]);
    world.pass(window.end);
  }
}

/** Lists the reservations of this host on the grid: marks and addresses. */
function reservations({ grid }: World): (readonly [string, string])[] {
  return [...grid].filter(([, mark]) => mark !== 'another host').map(([address, mark]) => [mark, address] as const);
}

test('whichever answers are lost, nobody loses an address, no two share one, no stranger is hit, and all addresses return after their rest', {
  timeout: 120_000,
}, () => {
  const plan = fc.array(happening, { maxLength: 40, size: 'max' });
  const property = fc.property(plan, fc.constantFrom(0, 45), (happenings, cooldownMs) => {
    const world = new World(cooldownMs);
    for (const happen of happenings) {
      happen(world);
      expect(world.broken(), happen.toString()).toEqual([]);
    }
    while (world.notes.length > 0) world.takeNote();
    comeToRest(world);
    expect(world.broken()).toEqual([]);
    // A reservation that was removed by hand exists again, unless another host got the address in between.
    const isAnothers = (mark: string) => world.grid.get(world.told.get(mark) ?? '') === 'another host';
    expect([...world.robbed].filter((mark) => !isAnothers(mark) && !world.givenAway.has(mark))).toEqual([]);
    const kept = [...world.told].filter(([mark]) => !world.robbed.has(mark));
    const isKept = ([mark, address]: readonly [string, string]) => world.told.get(mark) === address;
    const ours = reservations(world).filter(
      (one) => isKept(one) || !(world.strayed.has(one[0]) || world.replaced.has(one[0])),
    );
    expect(ours.sort()).toEqual(kept.sort());
    expect([...world.state.values()].map(({ mark, phase }) => [mark, phase]).sort()).toEqual(
      [...world.told.keys(), ...world.replaced].map((mark) => [mark, 'bound']).sort(),
    );
    for (const mark of containers) world.del(mark);
    comeToRest(world);
    expect([reservations(world), [...world.state]]).toEqual([[], []]);
  });
  fc.assert(property, { numRuns: 3_000 });
});
