/** The log and the traces for operators. */
export type Fields = Readonly<Record<string, unknown>>;

/** Messages are constant, so that they can be counted. */
export interface Log {
  error(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
}

/** Background work reports its activity to a trace through this interface. */
export interface Trace {
  /**
   * Runs one attempt at a lease. Its requests to the grid and its log lines belong to the attempt, whichever call
   * caused it.
   * @param name constant, like a log message
   * @param mark of the lease
   */
  attempt<T>(name: string, mark: string, run: () => Promise<T>): Promise<T>;
}

/** Used unless the daemon exports traces. */
export const untraced: Trace = { attempt: (_name, _mark, run) => run() };
