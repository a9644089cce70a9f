import type { RequestRecord } from './http/request-log.ts';

/**
 * Counts round trips: the longest chain of requests in which each was sent after the answer to the one before. A slow
 * client's count can be too high, but never too low.
 * @param requests in the order of arrival
 * @param latencyMs the configured latency of each request
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
