/** Gives all random tests the same seed in each run, so that a failure comes from the change. `SEED=` tries another one. */
import fc from 'fast-check';

export const seed = Number(process.env.SEED || 1);

fc.configureGlobal({ seed });
