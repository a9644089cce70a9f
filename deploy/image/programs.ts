/** Programs of the build machine. */
import { spawnSync } from 'node:child_process';

/** Why an image cannot be made, and the fix. */
export class ImageError extends Error {}

/** The required programs and their Debian packages. */
const needed = { 'apt-get': 'apt', 'dpkg-deb': 'dpkg', tar: 'tar', gzip: 'gzip' } as const;

/**
 * Requires all programs.
 * @throws ImageError that names each missing one with its Debian package
 */
export function requirePrograms(): void {
  const missing = Object.entries(needed).filter(([program]) => spawnSync(program, ['--version']).error !== undefined);
  if (missing.length === 0) return;
  const names = missing.map(([program, name]) => `${program} (Debian: ${name})`).join(', ');
  throw new ImageError(`missing on this machine: ${names}. Make the image on Debian, or in a Debian container`);
}

/**
 * Runs a program.
 * @returns its standard output
 * @throws ImageError with its output if it fails
 */
export function run(program: keyof typeof needed, args: readonly string[], cwd?: string): string {
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', cwd });
  if (status === 0) return stdout;
  const reason = error?.message ?? `exit ${status ?? signal}`;
  throw new ImageError(`${program} ${args.join(' ')}: ${reason}\n${stderr?.trim() ?? ''}`);
}
