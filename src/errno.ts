/** Codes (errno(3)) and texts of caught errors. Imports nothing, since the plugin loads it at each start. */

/**
 * Returns the code of a Node error, such as `ENOENT`.
 * @returns undefined if the value has no code
 */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Tells whether an error carries one of the given codes. */
export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  const code = errnoOf(error);
  return code !== undefined && codes.includes(code);
}

/** Returns the text of a thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Explains a system call that was refused because this process is not root.
 * @param code of the error of the system call
 * @returns undefined if it failed for another reason
 */
export function mustBeRoot(code: string | undefined): string | undefined {
  const uid = process.getuid?.() ?? 0;
  return uid !== 0 && (code === 'EACCES' || code === 'EPERM') ? `must run as root (this is uid ${uid})` : undefined;
}

export const rootHint = 'Run it as root; the plugin runs as the user of the container runtime that starts it.';
