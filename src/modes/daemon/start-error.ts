/** The daemon cannot start or go on. The message is one line for people: what, why, and the fix. */
export class StartError extends Error {
  /**
   * @param what names the thing and the reason
   * @param fix a sentence without its full stop
   */
  constructor(what: string, fix?: string) {
    super(fix === undefined ? what : `${what}. ${fix.charAt(0).toUpperCase()}${fix.slice(1)}.`);
  }
}
