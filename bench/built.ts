/** The output of `make build`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const dist = join(import.meta.dirname, '../dist');

export const builtPlugin = join(dist, 'infoblox');
export const builtDaemon = join(dist, 'infoblox-cni-daemon');

/**
 * Requires a build.
 * @throws Error if there is none
 */
export function requireBuild(): void {
  for (const file of [builtPlugin, builtDaemon]) {
    if (!existsSync(file)) throw new Error(`${file} is missing: run "make build"`);
  }
}
