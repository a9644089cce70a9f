/** Whether a container still lives, as far as its network namespace tells: the one witness that needs no runtime. */
import { readFileSync, statfsSync, statSync } from 'node:fs';

/** What a look at a namespace's path gave. `unknown`: it cannot be seen from here, which proves nothing. */
export type Look = { readonly kind: 'there'; readonly id: string } | { readonly kind: 'gone' | 'unknown' };

/** Magic number of the file system that holds namespaces (linux/magic.h, NSFS_MAGIC). */
const nsfs = 0x6e736673;

export interface Namespaces {
  look(path: string): Look;
  /** Changes with every boot of the host; no namespace survives one. */
  readonly bootId: string;
}

export function hostNamespaces(): Namespaces {
  return { look, bootId: readBootId() };
}

/** Only an absent path, or a file that is no namespace any more, counts as gone; anything unclear does not. */
function look(path: string): Look {
  if (!path.startsWith('/')) return { kind: 'unknown' };
  try {
    const status = statSync(path, { bigint: true });
    if (statfsSync(path).type !== nsfs) return { kind: 'gone' };
    return { kind: 'there', id: `${status.dev}:${status.ino}` };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : '';
    return { kind: code === 'ENOENT' || code === 'ESRCH' ? 'gone' : 'unknown' };
  }
}

function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
