/** How a command fails: its exit status, and one line for people. */

/** Exit status of a command. */
export const exitStatus = {
  ok: 0,
  /** The command found something wrong, or could not do what was asked. */
  failed: 1,
  /** Wrong command line. */
  usage: 2,
  /** The daemon does not answer. */
  noDaemon: 3,
} as const;

export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** Ends a command with one line for people: what failed, why, and the fix. */
export class CommandError extends Error {
  readonly status: ExitStatus;
  readonly hint: string | undefined;

  /** @param hint a clause or sentence that says what to do */
  constructor(message: string, hint?: string, status: ExitStatus = exitStatus.failed) {
    super(message);
    this.status = status;
    this.hint = hint;
  }
}
