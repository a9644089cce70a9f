/** Pauses in milliseconds: the first, doubled with each attempt up to the longest, each a part more or less. */
export interface Backoff {
  readonly first: number;
  readonly longest: number;
  /** How much more or less, a part of 1; a quarter unless told, so that hosts which failed together do not return together. */
  readonly spread?: number;
}

/**
 * Says how long to wait before an attempt.
 * @param attempt 0 for the first pause
 * @param random gives a number from 0 up to 1
 * @returns milliseconds
 */
export function pauseBefore(attempt: number, { first, longest, spread = 0.25 }: Backoff, random: () => number): number {
  return Math.round(Math.min(first * 2 ** attempt, longest) * (1 + spread * (2 * random() - 1)));
}
