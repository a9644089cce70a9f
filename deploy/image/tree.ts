/** The files of the image: the executable, and the minimum of Debian that it needs. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type DebianArchitecture, type DebianPackage, DebianPackages, field } from './debian.ts';
import { run } from './programs.ts';

/** Paths of the libraries and of the loader, which the executable names by an absolute path. */
const places = {
  amd64: { triplet: 'x86_64-linux-gnu', loader: 'ld-linux-x86-64.so.2', link: 'usr/lib64', up: '../lib/' },
  arm64: { triplet: 'aarch64-linux-gnu', loader: 'ld-linux-aarch64.so.1', link: 'usr/lib', up: '' },
} as const;

/** The libraries that the executable needs, by package. Before glibc 2.34 the last two resolve host names. */
const libraries: Readonly<Record<string, readonly string[]>> = {
  libc6: ['libc.so.6', 'libm.so.6', 'libdl.so.2', 'libpthread.so.0', 'libresolv.so.2', 'libnss_dns.so.2'],
  'libgcc-s1': ['libgcc_s.so.1'],
  'libstdc++6': ['libstdc++.so.6'],
};

/** Directories that the host shares with a container of the daemon. */
export const mountPoints = [
  { name: 'run-cni', path: '/run/cni', readOnly: false },
  { name: 'netns', path: '/run/netns', readOnly: true },
  { name: 'state', path: '/var/lib/infoblox-cni', readOnly: false },
  { name: 'etc', path: '/etc/infoblox-cni', readOnly: true },
] as const;

export const entrypoint = '/usr/local/bin/infoblox-cni-daemon';

const texts = {
  'etc/passwd': 'root:x:0:0:root:/:/nonexistent\nnobody:x:65534:65534:nobody:/nonexistent:/nonexistent\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/nsswitch.conf': 'hosts: files dns\n',
} as const;

export interface TreeOptions {
  /** The directory of the build. */
  readonly dist: string;
  readonly architecture: DebianArchitecture;
  /** A directory for fetched packages. */
  readonly cache: string;
  /** A directory for temporary files. */
  readonly stage: string;
}

/**
 * Makes the files in a directory below the stage.
 * @returns the directory, and the packages that its files come from
 * @throws ImageError
 */
export function makeTree({ dist, architecture, cache, stage }: TreeOptions): {
  readonly tree: string;
  readonly packages: readonly DebianPackage[];
} {
  const debian = new DebianPackages(architecture, cache);
  const packages = debian.fetch(...Object.keys(libraries), 'ca-certificates');
  // gcc-N-base has the copyright file of GCC's libraries; base-files has the texts of common licences.
  const gcc = packages.map(({ file }) => /gcc-[\d.]+-base/.exec(field(file, 'Depends'))?.[0]).find((name) => name);
  const documents = debian.fetch('base-files', ...(gcc === undefined ? [] : [gcc]));
  const debs = join(stage, 'debian');
  for (const { file } of [...packages, ...documents]) run('dpkg-deb', ['--extract', file, debs]);
  const tree = join(stage, 'rootfs');
  addProgram(tree, dist);
  addLibraries(tree, debs, architecture);
  addDocuments(tree, debs, packages);
  const certificates = join(debs, 'usr/share/ca-certificates/mozilla');
  const bundle = readdirSync(certificates)
    .sort()
    .map((name) => readFileSync(join(certificates, name), 'utf8'));
  put(tree, 'etc/ssl/certs/ca-certificates.crt', bundle.join(''));
  for (const [name, text] of Object.entries(texts)) put(tree, name, text);
  for (const { path } of mountPoints) mkdirSync(join(tree, path), { recursive: true });
  return { tree, packages };
}

function addProgram(tree: string, dist: string): void {
  const program = join(tree, 'usr/local/bin/infoblox-cni');
  copy(join(dist, 'infoblox-cni'), program);
  for (const link of ['infoblox', 'infoblox-cni-daemon']) symlinkSync('infoblox-cni', join(dirname(program), link));
  const documents = join(tree, 'usr/share/doc/infoblox-cni');
  copy(join(dist, 'THIRD-PARTY-LICENSES'), join(documents, 'THIRD-PARTY-LICENSES'));
  copy(join(import.meta.dirname, '../../LICENSE'), join(documents, 'LICENSE'));
}

function addLibraries(tree: string, debs: string, architecture: DebianArchitecture): void {
  const { triplet, loader, link, up } = places[architecture];
  for (const directory of ['lib', 'lib64']) {
    mkdirSync(join(tree, 'usr', directory), { recursive: true });
    symlinkSync(`usr/${directory}`, join(tree, directory));
  }
  for (const name of [loader, ...Object.values(libraries).flat()]) {
    const found = [join(debs, 'usr/lib', triplet, name), join(debs, 'lib', triplet, name)].find((file) =>
      existsSync(file),
    );
    if (found !== undefined) copy(found, join(tree, 'usr/lib', triplet, name));
  }
  symlinkSync(`${up}${triplet}/${loader}`, join(tree, link, loader));
}

/** Adds the copyright files of the libraries, and the package data that scanners read. */
function addDocuments(tree: string, debs: string, packages: readonly DebianPackage[]): void {
  const licences = new Set<string>();
  for (const { name, file } of packages) {
    const copyright = join(debs, 'usr/share/doc', name, 'copyright');
    copy(copyright, join(tree, 'usr/share/doc', name, 'copyright'));
    for (const [path] of readFileSync(copyright, 'utf8').matchAll(/usr\/share\/common-licenses\/[\w.-]*\w/g))
      licences.add(path);
    put(tree, `var/lib/dpkg/status.d/${name}`, run('dpkg-deb', ['--field', file]));
  }
  for (const path of licences) copy(join(debs, path), join(tree, path));
  copy(join(debs, 'usr/lib/os-release'), join(tree, 'etc/os-release'));
}

/** Copies a file or directory, links resolved, readable by all whatever the builder's umask. */
function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, (statSync(from).mode & 0o100) === 0 ? 0o644 : 0o755);
}

function put(tree: string, name: string, text: string): void {
  const file = join(tree, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
