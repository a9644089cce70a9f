/**
 * Flags of V8 for the daemon, a host service that mostly waits: less memory for a little more processor time. undici's parser,
 * which is WebAssembly, is compiled once and not optimized, which took 12 MB. One more flag is in build.mjs.
 */
export const daemonFlags = ['--optimize-for-size', '--no-wasm-tier-up', '--no-wasm-dynamic-tiering'] as const;
