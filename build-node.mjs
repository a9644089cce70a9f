/** The Node inside the executable: the pinned one for the target's architecture, stripped of its symbols. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(fileURLToPath(import.meta.url));
/** The strip programs by target architecture. */
const STRIP = { x64: 'x86_64-linux-gnu-strip', arm64: 'aarch64-linux-gnu-strip' };

export const architectures = Object.keys(STRIP);

/**
 * Finds the pinned Node in node_modules, or fetches it from npm and checks it against the lock file.
 * @returns the directory with bin/node and LICENSE
 */
export function nodeFor(arch, version) {
  const name = `node-linux-${arch}`;
  const installed = join(root, 'node_modules', name);
  if (fs.existsSync(join(installed, 'bin', 'node'))) return installed;
  const target = join(root, '.cache', `${name}-${version}`);
  const archive = `${target}.tgz`;
  fs.mkdirSync(target, { recursive: true });
  if (!fs.existsSync(archive)) {
    const args = ['pack', `${name}@${version}`, '--silent', '--pack-destination', dirname(target)];
    execFileSync('npm', args, { cwd: root });
  }
  const lock = JSON.parse(fs.readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const found = `sha512-${createHash('sha512').update(fs.readFileSync(archive)).digest('base64')}`;
  if (found !== lock.packages[`node_modules/${name}`].integrity) {
    fs.rmSync(archive);
    throw new Error(`${archive} is not what package-lock.json names (${found}); removed, try again`);
  }
  execFileSync('tar', ['-xzf', archive, '-C', target, '--strip-components=1', 'package/bin/node', 'package/LICENSE']);
  return target;
}

/**
 * Copies Node and strips the copy. Must come before the injection: strip would ruin the executable afterwards.
 * @returns the result, for people
 */
export function strippedCopy(arch, node, target) {
  fs.copyFileSync(node, target);
  fs.chmodSync(target, 0o755);
  const tool = arch === process.arch ? 'strip' : STRIP[arch];
  const { status, stderr, error } = spawnSync(tool, [target], { encoding: 'utf8' });
  const source = arch === process.arch ? 'binutils' : `binutils-${arch === 'arm64' ? 'aarch64' : 'x86-64'}-linux-gnu`;
  if (error) return `NOT STRIPPED: no ${tool} here, it is almost 20 MB larger (Debian: apt-get install ${source})`;
  if (status !== 0) throw new Error(`${tool} failed: ${stderr.trim()}`);
  return 'stripped';
}
