/** The contents of an image and its metadata, from the build's SBOM (version, commit, licences) and from Debian. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DebianArchitecture, DebianPackage } from './debian.ts';
import { ImageError } from './programs.ts';
import { makeTree, type TreeOptions } from './tree.ts';

export interface Contents {
  /** The directory with the image's files. */
  readonly tree: string;
  /** The image's name without a version; no registry has it. */
  readonly name: string;
  readonly version: string;
  readonly revision: string;
  readonly description: string;
  /** An SPDX expression. */
  readonly licenses: string;
  readonly architecture: DebianArchitecture;
  readonly packages: readonly DebianPackage[];
  /** CycloneDX. */
  readonly sbom: object;
}

/** Licences of the files taken from a package, not of its whole source. */
const licencesOfPackages: Readonly<Record<string, string>> = {
  libc6: 'LGPL-2.1-or-later',
  'libgcc-s1': 'GPL-3.0-or-later WITH GCC-exception-3.1',
  'libstdc++6': 'GPL-3.0-or-later WITH GCC-exception-3.1',
  'ca-certificates': 'MPL-2.0',
};

interface Component {
  readonly version: string;
  readonly description: string;
  readonly licenses?: readonly { readonly license?: { readonly id?: string }; readonly expression?: string }[];
  readonly properties: readonly { readonly name: string; readonly value: string }[];
  readonly 'bom-ref': string;
}

/** The build's SBOM. */
interface Sbom {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

/**
 * Makes the files and collects their metadata.
 * @throws ImageError
 */
export function makeContents(options: TreeOptions): Contents {
  const built = readSbom(options.dist);
  const { tree, packages } = makeTree(options);
  const { component } = built.metadata;
  const own = [component, ...built.components].flatMap(({ licenses = [] }) =>
    licenses.map(({ license, expression }) => expression ?? license?.id),
  );
  const licenses = new Set([...own, ...packages.map(({ name }) => licencesOfPackages[name])]);
  return {
    tree,
    name: 'localhost/infoblox-cni-daemon',
    version: component.version,
    revision: component.properties.find(({ name }) => name === 'infoblox-cni:commit')?.value ?? 'unknown',
    description: component.description,
    licenses: [...licenses]
      .filter((one) => one !== undefined)
      .sort()
      .join(' AND '),
    architecture: options.architecture,
    packages,
    sbom: sbomOf(built, packages, distributionOf(tree)),
  };
}

function readSbom(dist: string): Sbom {
  const file = join(dist, 'infoblox-cni.cdx.json');
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new ImageError(`no build in ${dist}: ${(error as Error).message}. Run "make build"`);
  }
}

/** Returns the distribution's ID: Debian or a derivative. */
function distributionOf(tree: string): string {
  return /^ID=(\w+)$/m.exec(readFileSync(join(tree, 'etc/os-release'), 'utf8'))?.[1] ?? 'debian';
}

function sbomOf(built: Sbom, packages: readonly DebianPackage[], distribution: string): object {
  const components = packages.map(({ name, version, architecture, sha256 }) => {
    const purl = `pkg:deb/${distribution}/${encodeURIComponent(name)}@${encodeURIComponent(version)}?arch=${architecture}`;
    return {
      type: 'library',
      name,
      version,
      'bom-ref': purl,
      purl,
      scope: 'required',
      hashes: [{ alg: 'SHA-256', content: sha256 }],
      licenses: [{ expression: licencesOfPackages[name] }],
    };
  });
  const references = components.map((component) => component['bom-ref']);
  const main = built.metadata.component['bom-ref'];
  const dependencies = built.dependencies.map((one) =>
    one.ref === main ? { ...one, dependsOn: [...(one.dependsOn ?? []), ...references] } : one,
  );
  return {
    ...built,
    components: [...built.components, ...components],
    dependencies: [...dependencies, ...references.map((ref) => ({ ref }))],
  };
}
