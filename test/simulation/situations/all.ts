/** All known situations. */
import { defects } from './defects.ts';
import { lateWrites } from './late-writes.ts';
import type { Situation } from './situation.ts';

export const situations: readonly Situation[] = [...lateWrites, ...defects];
