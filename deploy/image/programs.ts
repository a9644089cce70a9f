/** Programs of the machine that makes an image. */
import { spawnSync } from 'node:child_process';

/** What stands against making an image, and what to do about it. */
export class ImageError extends Error {}

/** The programs that are needed, with the Debian packages that bring them. */
const needed = { 'apt-get': 'apt', 'dpkg-deb': 'dpkg', tar: 'tar', gzip: 'gzip' } as const;

/** Refuses to begin where a program is missing. @throws ImageError naming each with its Debian package */
export function requirePrograms(): void {
  const missing = Object.entries(needed).filter(([program]) => spawnSync(program, ['--version']).error !== undefined);
  if (missing.length === 0) return;
  const names = missing.map(([program, name]) => `${program} (Debian: ${name})`).join(', ');
  throw new ImageError(`missing on this machine: ${names}. Make the image on Debian, or in a container of it`);
}

/** Runs a program. @returns its standard output. @throws ImageError with what it says, if it fails */
export function run(program: keyof typeof needed, args: readonly string[], cwd?: string): string {
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', cwd });
  if (status === 0) return stdout;
  const reason = error?.message ?? `exit ${status ?? signal}`;
  throw new ImageError(`${program} ${args.join(' ')}: ${reason}\n${stderr?.trim() ?? ''}`);
}
