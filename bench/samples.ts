/** Statistics of repeated measurements. Sides take turns, so that noise affects them alike. */

/** One side of a comparison: does the work once and returns its milliseconds. */
export type Side = () => number | Promise<number>;

/**
 * Measures all sides in turns, A B C, B C A, C A B, after one warm-up round.
 * @returns the milliseconds of each side, in the order measured
 */
export async function interleave<Name extends string>(
  rounds: number,
  sides: Readonly<Record<Name, Side>>,
): Promise<Record<Name, number[]>> {
  const names = Object.keys(sides) as Name[];
  const measured = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (const name of names) await sides[name]();
  for (let round = 0; round < rounds; round += 1) {
    const first = round % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) measured[name].push(await sides[name]());
  }
  return measured;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** Returns the interquartile range in percent of the median: the machine's noise. */
export function spread(values: readonly number[]): number {
  return (100 * (quantile(values, 0.75) - quantile(values, 0.25))) / median(values);
}

/** Returns the ratio of two medians. */
export function ratio(values: readonly number[], opponent: readonly number[]): number {
  return median(values) / median(opponent);
}

/** Runs work; returns its milliseconds and its result. */
export async function timed<T>(work: () => T | Promise<T>): Promise<{ milliseconds: number; value: T }> {
  const begin = process.hrtime.bigint();
  const value = await work();
  return { milliseconds: Number(process.hrtime.bigint() - begin) / 1e6, value };
}

/**
 * Returns a quantile, interpolated.
 * @param part 0.5 for the median, 0.99 for the 99th percentile
 * @throws Error without values
 */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * part;
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  if (low === undefined || high === undefined) throw new Error('no measurements');
  return low + (high - low) * (at - Math.floor(at));
}
