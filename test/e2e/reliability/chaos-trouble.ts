/** Faults of a chaos run: in answers of the grid, of the whole grid, and of daemons. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ProcessHost } from '../../fixture/process-host.ts';
import { pause } from '../../fixture/world.ts';
import type { Effect, Grid } from '../../simulator/grid.ts';
import type { Random } from './random.ts';

/** Maximum milliseconds by which a request is carried out late; hosts must take longer to settle. */
export const latest = 250;

/** A fault for one of the next requests. */
function effect(random: Random): Effect {
  const commit = random.chance(0.5);
  const effects: readonly Effect[] = [
    { kind: 'status', status: random.pick([500, 502, 503]), commit },
    { kind: 'reset', commit },
    { kind: 'html', commit },
    { kind: 'empty', commit },
    { kind: 'truncate' },
    { kind: 'oversize', bytes: 9_000_000, commit },
    { kind: 'commit-later', after: random.below(latest) },
    { kind: 'delay', ms: random.below(300) },
  ];
  return random.pick(effects);
}

export interface Trouble {
  /** Average milliseconds between two faults. */
  readonly every: number;
  /** Hosts whose daemon may be killed. */
  readonly killable: readonly ProcessHost[];
  readonly grid: Grid;
  readonly random: Random;
}

/** Injects faults until the signal fires; then repairs everything and starts all daemons. */
export async function makeTrouble({ every, killable, grid, random }: Trouble, signal: AbortSignal): Promise<number> {
  let kills = 0;
  const disarm: (() => void)[] = [];
  for (;;) {
    await delay(every * 2 * random.next(), undefined, { signal }).catch(() => {});
    if (signal.aborted) break;
    const dice = random.next();
    if (dice < 0.6) {
      disarm.push(grid.inject({ skip: random.below(4), effect: effect(random) }));
    } else if (dice < 0.7) {
      grid.latencyMs = random.below(10);
    } else if (dice < 0.75) {
      grid.expireSessions();
    } else if (dice < 0.82) {
      await grid.pause();
      await pause(random.below(400));
      await grid.resume();
    } else if (killable.length > 0) {
      const victim = random.pick(killable);
      await victim.kill();
      kills += 1;
      await pause(random.below(200));
      await victim.start();
    }
  }
  for (const each of disarm) each();
  grid.latencyMs = 0;
  return kills;
}
