import { GridError } from '../../infoblox/errors.ts';

/** Says why the daemon cannot start or continue, in one line: what, why, and the fix. */
export class StartError extends Error {
  /**
   * @param what the thing and the reason
   * @param fix a sentence without its full stop
   */
  constructor(what: string, fix?: string) {
    super(fix === undefined ? what : `${what}. ${fix.charAt(0).toUpperCase()}${fix.slice(1)}.`);
  }
}

/** Runs a step of the start. @throws StartError in place of a GridError */
export function orStartError<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw error instanceof GridError ? new StartError(error.message, error.hint) : error;
  }
}
