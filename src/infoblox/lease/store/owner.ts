/**
 * Which machine a state belongs to. A disk that is cloned takes the state of its host along; the copy must neither reap
 * nor release what the original holds, whose containers it cannot see.
 */
import * as v from 'valibot';
import type { Machine } from '../../host.ts';

/** Whom a state belongs to. */
export interface Owner extends Machine {
  /** Cluster and node, as they stand in marks. */
  readonly name: string;
}

const Recorded = v.object({
  installation: v.optional(v.string()),
  hardware: v.optional(v.string()),
  name: v.string(),
});

/**
 * Decides whether a state belongs to this host.
 * @returns why it does not, for people; undefined if nothing says so
 */
export function strangerOf(recorded: Owner, present: Owner): string | undefined {
  if (differ(recorded.hardware, present.hardware)) return 'it was written on other hardware (DMI product UUID)';
  if (!differ(recorded.installation, present.installation)) return undefined;
  const isSameHardware = recorded.hardware !== undefined && present.hardware !== undefined;
  // Installed anew, or booted from an image that makes its machine ID at each start.
  if (isSameHardware && recorded.name === present.name) return undefined;
  return 'it was written by another installation (machine-id)';
}

/** What is recorded once the state belongs to `present`: what cannot be read now is kept. */
export function ownerText(recorded: Owner | undefined, present: Owner): string {
  const installation = present.installation ?? recorded?.installation;
  const hardware = present.hardware ?? recorded?.hardware;
  return JSON.stringify({ installation, hardware, name: present.name });
}

/** @returns undefined for a text that `ownerText` has not written */
export function parseOwner(text: string): Owner | undefined {
  try {
    const { installation, hardware, name } = v.parse(Recorded, JSON.parse(text));
    return { installation, hardware, name };
  } catch {
    return undefined;
  }
}

function differ(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && other !== undefined && one !== other;
}
