import type { RequestRecord } from './http/request-log.ts';

/**
 * Counts the round trips that some work took: the longest chain of requests each of which was sent after the one before it
 * had been answered. A client that is slow to send what it could send at once is counted too high, never too low.
 * @param requests in the order of arrival
 * @param latencyMs how long each of these requests took, as the grid was told
 */
export function roundTrips(requests: readonly RequestRecord[], latencyMs: number): number {
  /** The longest chain that ends with each request. */
  const chains: { readonly endsAt: number; readonly length: number }[] = [];
  let ended = 0;
  let longestEnded = 0;
  for (const { at } of requests) {
    for (let chain = chains[ended]; chain !== undefined && chain.endsAt <= at + 1; chain = chains[ended]) {
      longestEnded = Math.max(longestEnded, chain.length);
      ended += 1;
    }
    chains.push({ endsAt: at + latencyMs, length: 1 + longestEnded });
  }
  return chains.at(-1)?.length ?? 0;
}
