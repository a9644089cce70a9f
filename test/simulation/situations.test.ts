/** Situations that are known, and that random plans meet seldom or never: one script each. */
import { test } from 'vitest';
import { situations } from './situations/all.ts';

for (const { name, run } of situations) test(name, run);
