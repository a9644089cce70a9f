/** How background work says what it is doing to who follows it in a trace. */
export interface Trace {
  /**
   * Runs one attempt at a lease. What it asks of the grid and writes to the log is shown as part of it, whatever call has set it off.
   * @param name constant, as a message of the log is
   * @param mark of the lease
   */
  attempt<T>(name: string, mark: string, run: () => Promise<T>): Promise<T>;
}

/** What there is unless the daemon exports traces. */
export const untraced: Trace = { attempt: (_name, _mark, run) => run() };
