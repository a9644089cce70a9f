/**
 * Flags of V8 for the daemon, a host service that mostly waits: 40 MiB of its own after 1,000 containers in place of 55. Of the
 * optimizing compilers it has the cheap one alone, for functions that have proven busy, in the main thread: threads of
 * compilers each keep what one compilation took. undici's parser, which is WebAssembly, took 12 MB so.
 */
export const daemonFlags = [
  '--optimize-for-size',
  '--no-turbofan',
  '--no-concurrent-recompilation',
  '--invocation-count-for-maglev=1000',
  '--no-wasm-tier-up',
  '--no-wasm-dynamic-tiering',
] as const;
