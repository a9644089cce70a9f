/** The output of `make build`. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const dist = join(import.meta.dirname, '../dist');

export const builtPlugin = join(dist, 'infoblox');
export const builtDaemon = join(dist, 'infoblox-cni-daemon');

/** @throws Error if nothing is built */
export function requireBuild(): void {
  for (const file of [builtPlugin, builtDaemon]) {
    if (!existsSync(file)) throw new Error(`${file} is missing: run "make build"`);
  }
}
