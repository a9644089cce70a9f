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
