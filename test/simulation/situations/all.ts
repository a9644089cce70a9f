/** All known situations. */
import { blockSituations } from './blocks.ts';
import { crowds } from './crowds.ts';
import { defects } from './defects.ts';
import { hosts } from './hosts.ts';
import { lateWrites } from './late-writes.ts';
import { lostReservations } from './lost-reservations.ts';
import { people } from './people.ts';
import type { Situation } from './situation.ts';

export const situations: readonly Situation[] = [
  ...lateWrites,
  ...lostReservations,
  ...hosts,
  ...people,
  ...crowds,
  ...blockSituations,
  ...defects,
];
