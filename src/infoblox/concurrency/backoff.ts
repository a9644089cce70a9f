/** Pauses in milliseconds: the first, doubled with each attempt up to the longest. */
export interface Backoff {
  readonly first: number;
  readonly longest: number;
}

/**
 * How long to wait before an attempt, a quarter more or less, so that hosts which failed together do not return together.
 * @param attempt 0 for the first pause
 * @returns milliseconds
 */
export function pauseBefore(attempt: number, { first, longest }: Backoff): number {
  return Math.round(Math.min(first * 2 ** attempt, longest) * (0.75 + Math.random() / 2));
}
