/** How a command ends, for scripts. */
export const exitStatus = {
  ok: 0,
  /** It found something wrong, or could not do what was asked. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The daemon does not answer. */
  noDaemon: 3,
} as const;

export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** A command that cannot go on. Its text is one line for people: what, why, and the fix. */
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
