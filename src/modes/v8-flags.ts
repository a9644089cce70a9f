/**
 * Flags of V8 for the daemon, a host service that mostly waits: half the memory, for a tenth more processor time a call. Without
 * the optimizing compilers it does not keep what they made and took. undici's parser, which is WebAssembly, took 12 MB so.
 */
export const daemonFlags = [
  '--optimize-for-size',
  '--no-turbofan',
  '--no-maglev',
  '--no-wasm-tier-up',
  '--no-wasm-dynamic-tiering',
] as const;
