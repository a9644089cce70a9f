/**
 * Which machine a state belongs to. A disk that is cloned takes the state of its host along; the copy must neither reap
 * nor release what the original holds, whose containers it cannot see.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as v from 'valibot';

/** What tells machines apart, as hashes; undefined what cannot be read here. */
export interface Machine {
  /** From /etc/machine-id: of the installation. Images without one, and containers, have none or that of their image. */
  readonly installation: string | undefined;
  /** From the DMI's product UUID: of the hardware, real or virtual; containers see their host's. */
  readonly hardware: string | undefined;
}

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

const files = {
  machineId: '/etc/machine-id',
  productUuid: '/sys/class/dmi/id/product_uuid',
  /** The same hashed, as root has written it down for the service, whose user may not read the UUID. */
  hardware: '/run/infoblox-cni-hardware',
};

/** Reads what tells this machine from others. Never throws. */
export function readMachine({ machineId, productUuid, hardware } = files): Machine {
  const uuid = read(productUuid, /^(?![0-]+$|[f-]+$)[0-9a-f-]{36}$/);
  return {
    installation: hashed(read(machineId, /^[0-9a-f]{32}$/)),
    hardware: hashed(uuid) ?? read(hardware, /^[0-9a-f]{32}$/),
  };
}

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

function read(file: string, form: RegExp): string | undefined {
  try {
    const text = readFileSync(file, 'latin1').trim().toLowerCase();
    return form.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/**
 * machine-id(5): the ID is confidential and shall not leave the machine, but hashed with a word of the application. The systemd unit
 * does the same to the product UUID.
 */
function hashed(id: string | undefined): string | undefined {
  return id === undefined ? undefined : createHash('sha256').update(`infoblox-cni ${id}`).digest('hex').slice(0, 32);
}
