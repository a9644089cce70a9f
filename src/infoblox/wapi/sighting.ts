/**
 * What a write by reference needs to know: which host of the grid has shown the object, and when. References are natural keys: a
 * moment later, or on another host, the same one may name somebody else's object.
 */

/** Milliseconds after the answer that has shown an object in which a write to it has to leave. */
export const sightingMaxAgeMs = 1_000;

declare const madeByTheSession: unique symbol;

/** Where and when something was seen: a token that only an answer of the session gives. */
export interface Sighting {
  readonly host: string;
  /** When the answer was here, as the clock's `now`. */
  readonly answeredAt: number;
  readonly [madeByTheSession]: true;
}

/** Something as an answer has shown it. */
export type Sighted<T> = T & { readonly seen: Sighting };

/** An object that an answer has shown, by its reference: what a write by reference takes. */
export type SightedObject = Sighted<{ readonly ref: string }>;

/** Makes the sighting of an answer: for the session, and for tests of what only passes it on. */
export function sightingBy(host: string, answeredAt: number): Sighting {
  return { host, answeredAt } as Sighting;
}
