/**
 * Flags of V8 for the daemon, a host service that mostly waits: two thirds of the memory, for half as much processor time again a
 * call. Without the optimizing compilers it does not keep what they made and took; maglev alone, in the main thread, was 6 to
 * 15 MiB. undici's parser, which is WebAssembly, took 12 MB so.
 */
export const daemonFlags = [
  '--optimize-for-size',
  '--no-turbofan',
  '--no-maglev',
  '--no-wasm-tier-up',
  '--no-wasm-dynamic-tiering',
] as const;
