/** The daemon cannot start or go on; the message says why and what to do. */
export class StartError extends Error {}
