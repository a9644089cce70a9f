/**
 * Random decisions of the simulation: each number is computed from the seed and the name of the decision, not drawn from a stream. So
 * leaving out one event does not change the decisions of others, and a failing run can be reduced.
 */

/** @returns a number from 0 to 1, the same for the same names */
export type Chance = (...names: readonly (string | number)[]) => number;

/** Makes the chance of a seed. */
export function chanceOf(seed: number): Chance {
  return (...names) => {
    let hash = 0x811c9dc5 ^ seed;
    for (const character of names.join('/')) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
    hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
    hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
    return ((hash ^ (hash >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `low` to `high`, both included. */
export function between(chance: number, low: number, high: number): number {
  return low + Math.floor(chance * (high - low + 1));
}
