/** The one judge of what a misspelt flag or key may mean. */
import { distance } from 'fastest-levenshtein';

/**
 * Finds the name that a word was most likely meant to be: the nearest one, at most two letters away, one if
 * it is short. Case and separators count for nothing.
 * @returns undefined if none is near
 */
export function nearest<Name extends string>(word: string, names: readonly Name[]): Name | undefined {
  const plain = plainSpelling(word);
  const [best] = names
    .map((name) => ({ name, letters: distance(plain, plainSpelling(name)) }))
    .filter(({ name, letters }) => letters <= (name.length > 4 ? 2 : 1))
    .sort((one, other) => one.letters - other.letters);
  return best?.name;
}

/** Leaves out case and separators, so that spellings of one name compare equal: `rangeStart`, `range_start`. */
export function plainSpelling(word: string): string {
  return word.toLowerCase().replace(/[-_ .]/g, '');
}
