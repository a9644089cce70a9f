/** Errors as they are caught: their codes (errno(3)) and texts. Imports nothing, for the plugin reads it at each start. */

/**
 * Returns the code of an error of Node's, `ENOENT` say.
 * @returns undefined for anything that carries none
 */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Tells whether an error carries one of the given codes. */
export function isErrno(error: unknown, ...codes: readonly string[]): boolean {
  const code = errnoOf(error);
  return code !== undefined && codes.includes(code);
}

/** Returns the text of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
