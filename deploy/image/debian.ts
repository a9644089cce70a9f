/**
 * Packages of this machine's distribution, for any architecture. Its apt fetches them from its sources and checks
 * signatures and hashes, with lists and state in a separate directory. The machine's own apt state is not changed.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
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
    run('apt-get', [...this.#flags(), 'download', ...names], packages);
    const found = addresses.split('\n').map((line) => {
      const [, name = '', hash = ''] = /^'.*' (\S+) \d+ SHA256:(\w+)$/.exec(line) ?? [];
      const file = join(packages, name);
      return { ...namesOf(file), sha256: hash, file };
    });
    return found.sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  #apt(...args: readonly string[]): string {
    return run('apt-get', [...this.#flags(), ...args], this.#directory);
  }

  #flags(): string[] {
    return ['-qq', '-c', this.#configuration];
  }
}

function namesOf(file: string): { readonly name: string; readonly version: string; readonly architecture: string } {
  const [name = '', version = '', architecture = ''] = ['Package', 'Version', 'Architecture'].map((key) =>
    field(file, key),
  );
  return { name, version, architecture };
}

/** Returns a field of a package's description; empty if it is absent. */
export function field(file: string, key: string): string {
  return run('dpkg-deb', ['--field', file, key]).trim();
}
