/**
 * Checks which machine a state belongs to. A cloned disk contains the state of its host; the clone must not release the original's
 * addresses, whose containers it cannot see.
 */
import * as v from 'valibot';
import type { Machine } from '../../host.ts';

/** The machine and host that a state belongs to. */
export interface Owner extends Machine {
  /** Cluster and node as in marks. */
  readonly name: string;
}

const Recorded = v.object({
  installation: v.optional(v.string()),
  hardware: v.optional(v.string()),
  name: v.string(),
});

/**
 * Decides whether a state belongs to another machine.
 * @returns the reason, for people; undefined if it may be this machine's
 */
export function strangerOf(recorded: Owner, present: Owner): string | undefined {
  if (differ(recorded.hardware, present.hardware)) return 'it was written on other hardware (DMI product UUID)';
  if (!differ(recorded.installation, present.installation)) return undefined;
  const isSameHardware = recorded.hardware !== undefined && present.hardware !== undefined;
  // Reinstalled, or booted from an image that creates a new machine ID at each start.
  if (isSameHardware && recorded.name === present.name) return undefined;
  return 'it was written by another installation (machine-id)';
}

/** Writes the owner for the state; facts that are unreadable now are kept from `recorded`. */
export function ownerText(recorded: Owner | undefined, present: Owner): string {
  const installation = present.installation ?? recorded?.installation;
  const hardware = present.hardware ?? recorded?.hardware;
  return JSON.stringify({ installation, hardware, name: present.name });
}

/** Parses a recorded owner. @returns undefined for a text not written by `ownerText` */
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
