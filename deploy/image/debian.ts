/**
 * Packages of this machine's distribution, for any architecture. Its apt fetches them from its sources and checks
 * signatures and hashes, with lists and state in a separate directory. The machine's own apt state is not changed.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './programs.ts';

/** Architectures by Debian's names. */
export type DebianArchitecture = 'amd64' | 'arm64';

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly sha256: string;
  readonly file: string;
}

export class DebianPackages {
  readonly #directory: string;
  readonly #configuration: string;

  /**
   * Updates the lists of packages.
   * @param directory for lists and packages; later runs fetch only changes
   * @param sources lines as in sources.list(5), instead of the machine's
   */
  constructor(architecture: DebianArchitecture, directory: string, sources?: readonly string[]) {
    this.#directory = join(directory, architecture);
    this.#configuration = join(this.#directory, 'apt.conf');
    for (const name of ['lists/partial', 'archives/partial', 'packages']) {
      mkdirSync(join(this.#directory, name), { recursive: true });
    }
    writeFileSync(join(this.#directory, 'status'), '');
    // Without the machine's own hooks, which would work on its own caches. Downloads belong to the user who builds.
    const lines = [
      '#clear APT::Update;',
      '#clear APT::Architectures;',
      `APT::Architecture "${architecture}";`,
      `APT::Architectures { "${architecture}"; };`,
      'APT::Sandbox::User "root";',
      `Dir::State "${this.#directory}";`,
      `Dir::State::status "${join(this.#directory, 'status')}";`,
      `Dir::Cache "${this.#directory}";`,
      // Debian's container images disable them, and each call would read all lists again.
      'Dir::Cache::pkgcache "pkgcache.bin";',
      'Dir::Cache::srcpkgcache "srcpkgcache.bin";',
    ];
    if (sources !== undefined) {
      const list = join(this.#directory, 'sources.list');
      writeFileSync(list, `${sources.join('\n')}\n`);
      lines.push(`Dir::Etc::SourceList "${list}";`, 'Dir::Etc::SourceParts "-";');
    }
    writeFileSync(this.#configuration, `${lines.join('\n')}\n`);
    this.#apt('update');
  }

  /**
   * Fetches the newest version of each package, unless it is there.
   * @returns the packages
   * @throws ImageError
   */
  fetch(...names: readonly string[]): DebianPackage[] {
    const packages = join(this.#directory, 'packages');
    const addresses = this.#apt('--print-uris', 'download', ...names).trim();
    const newest = addresses.split('\n').map((line) => {
      const [, name = '', sha256 = ''] = /^'.*' (\S+) \d+ SHA256:(\w+)$/.exec(line) ?? [];
      return { file: join(packages, name), sha256 };
    });
    if (!newest.every(isThere)) run('apt-get', [...this.#flags(), 'download', ...names], packages);
    const found = newest.map((one) => ({ ...namesOf(one.file), ...one }));
    return found.sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  #apt(...args: readonly string[]): string {
    return run('apt-get', [...this.#flags(), ...args], this.#directory);
  }

  #flags(): string[] {
    return ['-qq', '-c', this.#configuration];
  }
}

function isThere({ file, sha256 }: Pick<DebianPackage, 'file' | 'sha256'>): boolean {
  return existsSync(file) && createHash('sha256').update(readFileSync(file)).digest('hex') === sha256;
}

function namesOf(file: string): Pick<DebianPackage, 'name' | 'version' | 'architecture'> {
  const fields = run('dpkg-deb', ['--show', '--showformat', `\${Package} \${Version} \${Architecture}`, file]);
  const [name = '', version = '', architecture = ''] = fields.split(' ');
  return { name, version, architecture };
}

/** Returns a field of a package's description; empty if it is absent. */
export function field(file: string, key: string): string {
  return run('dpkg-deb', ['--field', file, key]).trim();
}
