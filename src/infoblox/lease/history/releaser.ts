/** Who said that a lease is not needed any more, for people. */

/**
 * The runtime by a DEL or a GC, the reaper, an operator; or an ADD, whose answer was not delivered to its caller, or which did not
 * end well.
 */
export const releasers = ['DEL', 'GC', 'reaper', 'operator', 'undelivered', 'unfinished'] as const;
export type Releaser = (typeof releasers)[number];
