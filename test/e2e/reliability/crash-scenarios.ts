/** What the daemon is doing when it is killed, and what the runtime does after the daemon has come back. */
import type { Outcome } from '../../fixture/calls.ts';
import type { World } from '../../fixture/world.ts';

export interface Scenario {
  readonly name: string;
  /** Before: everything here succeeds. */
  readonly prepare: (world: World) => Promise<void>;
  /** The call during which the daemon dies. */
  readonly act: (world: World) => Promise<Outcome>;
  /** What a runtime does when the call has failed; `restarted` tells whether the daemon runs again. */
  readonly afterwards: (world: World) => Promise<Outcome>;
}

const nothing = async () => {};
/** A network that is not there yet: view, network and gateway have to be made. */
const fresh = {
  ipam: { subnet: '10.9.0.0/24', gateway: '10.9.0.1', 'network-view': 'blue' },
  config: { name: 'net-9' },
};

async function addAll({ caller }: World, ...containers: string[]): Promise<void> {
  for (const container of containers) {
    const outcome = await caller.add(container);
    if (outcome !== 'ok') throw new Error(`preparing: ADD ${container} ended with ${outcome}`);
  }
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'the first ADD of a network, undone by DEL',
    prepare: nothing,
    act: ({ caller }) => caller.add('c1', fresh),
    afterwards: ({ caller }) => caller.del('c1', fresh),
  },
  {
    name: 'an ADD, tried again',
    prepare: (world) => addAll(world, 'c0'),
    act: ({ caller }) => caller.add('c1'),
    afterwards: ({ caller }) => caller.add('c1'),
  },
  {
    name: 'an ADD, undone by DEL while another container comes',
    prepare: (world) => addAll(world, 'c0'),
    act: ({ caller }) => caller.add('c1'),
    afterwards: async ({ caller }) => {
      const [outcome] = await Promise.all([caller.del('c1'), caller.add('c2')]);
      return outcome;
    },
  },
  {
    name: 'a repeated ADD, tried again',
    prepare: (world) => addAll(world, 'c0', 'c1'),
    act: ({ caller }) => caller.add('c1'),
    afterwards: ({ caller }) => caller.add('c1'),
  },
  {
    name: 'an ADD that is handed what another container lives on, tried again',
    prepare: async (world) => {
      await addAll(world, 'c0', 'c1');
      const { grid, ledger } = world;
      const lost = ledger.reservations().find(({ comment }) => comment?.includes(' container=c0 '));
      grid.remove(lost?._ref ?? '');
      ledger.robbed(lost?.comment ?? '');
    },
    act: ({ caller }) => caller.add('c2'),
    afterwards: async ({ caller }) => {
      const outcome = await caller.add('c2');
      return outcome === 'ok' ? caller.add('c3') : outcome;
    },
  },
  {
    name: 'a DEL, whose plugin leaves a note',
    prepare: (world) => addAll(world, 'c0', 'c1'),
    act: ({ caller }) => caller.del('c1'),
    afterwards: ({ caller }) => caller.check('c0'),
  },
  {
    name: 'a DEL, followed by an ADD of the same container',
    prepare: (world) => addAll(world, 'c0', 'c1'),
    act: ({ caller }) => caller.del('c1'),
    afterwards: ({ caller }) => caller.add('c1'),
  },
  {
    name: 'a GC of a dead container, tried again',
    prepare: async (world) => {
      await addAll(world, 'c0', 'c1');
      world.caller.dies('c1');
    },
    act: ({ caller }) => caller.gc(['c0']),
    afterwards: ({ caller }) => caller.gc(['c0']),
  },
];
