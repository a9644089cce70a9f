/** Whether a container still lives, as far as its network namespace tells: the one witness that needs no runtime. */
import { lstatSync, readFileSync, readlinkSync, statfsSync, statSync } from 'node:fs';
import { dirname, normalize } from 'node:path';

/** What is remembered of a namespace when its container is given an address. */
export interface Witness {
  /** Its path, as the runtime named it. */
  readonly netns: string;
  /**
   * Null if it cannot be seen from here. Else its device and inode, and after ` via ` those of the place through which it
   * was seen: only who sees that very place again can tell from an absent path that the namespace is gone.
   */
  readonly netnsId: string | null;
  /** Changes with every boot of the host; no namespace survives one. */
  readonly bootId: string;
}

export interface Namespaces {
  /** Never throws: what is unclear is not seen. */
  witness(path: string): Witness;
  /** True only if it is proven that the namespace is there no more. Never throws. */
  isGone(witness: { readonly [K in keyof Witness]: Witness[K] | null }): boolean;
}

type Look = { readonly kind: 'there'; readonly id: string } | { readonly kind: 'gone' | 'unknown' };

/** Magic number of the file system that holds namespaces (linux/magic.h, NSFS_MAGIC). */
const nsfs = 0x6e736673;
const via = ' via ';

export function hostNamespaces(): Namespaces {
  const bootId = readBootId();
  return {
    witness(path) {
      const look = lookAt(path);
      if (look.kind !== 'there') return { netns: path, netnsId: null, bootId: bootId ?? 'unknown' };
      const place = leadsElsewhere(path) ? undefined : placeOf(path);
      const netnsId = place === undefined ? look.id : look.id + via + place;
      return { netns: path, netnsId, bootId: bootId ?? 'unknown' };
    },
    isGone({ netns, netnsId, bootId: seenIn }) {
      if (netns === null || netnsId === null) return false;
      if (bootId !== undefined && seenIn !== null && seenIn !== 'unknown' && seenIn !== bootId) return true;
      const [id, place] = netnsId.split(via);
      if (place === undefined || place !== placeOf(netns)) return false;
      const look = lookAt(netns);
      return look.kind === 'gone' || (look.kind === 'there' && look.id !== id);
    },
  };
}

/** An absent path, or a file that is no namespace any more, is `gone`, if this is still the place to look for it. */
function lookAt(path: string): Look {
  if (!path.startsWith('/')) return { kind: 'unknown' };
  try {
    const id = identify(path);
    return statfsSync(path).type === nsfs ? { kind: 'there', id } : { kind: 'gone' };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    return { kind: code === 'ENOENT' || code === 'ESRCH' ? 'gone' : 'unknown' };
  }
}

/**
 * What has to be the same for the path to mean the same: the directory that holds it, which stays what it is when it
 * becomes a mount point of itself; for a process, the PID namespace whose numbers /proc shows.
 * @returns undefined if that cannot be seen
 */
function placeOf(path: string): string | undefined {
  try {
    if (!/^\/proc\/\d+\//.test(normalize(path))) return identify(dirname(path));
    // Another PID namespace's /proc says nothing about ours; and where processes are hidden, the first one is too.
    if (readlinkSync('/proc/self') !== String(process.pid)) return undefined;
    statSync('/proc/1');
    return identify('/proc/self/ns/pid');
  } catch {
    return undefined;
  }
}

/** True for a symbolic link: what lies behind it may go out of sight while the link's own place stays. */
function leadsElsewhere(path: string): boolean {
  if (/^\/proc\/\d+\//.test(normalize(path))) return false;
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return true;
  }
}

function identify(path: string): string {
  const { dev, ino } = statSync(path, { bigint: true });
  return `${dev}:${ino}`;
}

function readBootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return undefined;
  }
}
