/** Failures for lack of permission. Loaded by the plugin process: no imports. */

/**
 * Says why a system call was refused.
 * @param code of the error of the system call
 * @returns undefined if it failed for another reason than the user of this process
 */
export function mustBeRoot(code: string | undefined): string | undefined {
  const uid = process.getuid?.() ?? 0;
  return uid !== 0 && (code === 'EACCES' || code === 'EPERM') ? `must run as root (this is uid ${uid})` : undefined;
}

/** What to do about it. */
export const rootHint = 'The plugin runs as the user of the container runtime that starts it.';
