/** Flags of V8: less memory for a daemon that mostly waits. docs/performance.md says what each is worth. */

/**
 * For both roles, since V8 reads it only at start: compile in the main thread. Each thread of a compiler keeps the memory of its largest
 * compilation.
 */
export const executableFlags = ['--no-concurrent-recompilation'] as const;

/** For the daemon, set when it starts. Optimizing undici's parser, which is WebAssembly, kept 12 MB. */
export const daemonFlags = ['--optimize-for-size', '--no-wasm-tier-up', '--no-wasm-dynamic-tiering'] as const;
