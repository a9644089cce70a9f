/** The contents of the packages, and their reproducibility. */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dist } from '../../program.ts';
import {
  deb,
  filesBelow,
  leftOut,
  madePackages,
  pack,
  packageTimeoutMs,
  project,
  succeed,
  tarball,
  version,
} from './packages.ts';

let work: string;
let packages: string;

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'infoblox-cni-package-'));
  if (!leftOut) packages = await madePackages();
}, packageTimeoutMs);
afterAll(() => rmSync(work, { recursive: true }));

/** The files of a build, with another file for its executable. */
function distWith(executable: Uint8Array): string {
  const other = mkdtempSync(join(work, 'dist-'));
  const isLeftOut = (file: string) => /\/dist\/(infoblox-cni|arm64|packages)$|\.(aci|tar)$/.test(file);
  cpSync(dist, other, { recursive: true, verbatimSymlinks: true, filter: (file) => !isLeftOut(file) });
  writeFileSync(join(other, 'infoblox-cni'), executable, { mode: 0o755 });
  return other;
}

describe.skipIf(leftOut)('the packages', () => {
  test('have the same bytes whenever and wherever they are made of one build', async () => {
    const root = join(work, 'elsewhere');
    for (const part of ['deploy', 'docs', 'LICENSE', 'README.md', 'SECURITY.md', 'CHANGELOG.md', 'package.json'])
      cpSync(join(project, part), join(root, part), { recursive: true });
    // The file is so long that a multi-threaded compressor would split it.
    const DIST = distWith(readFileSync(join(dist, 'infoblox-cni')).subarray(0, 14e6));
    await pack(join(work, 'here'), { DIST });
    await pack(join(work, 'there'), { DIST, root, umask: '077', TZ: 'Asia/Tokyo', DPKG_DEB_THREADS_MAX: '1' });
    expect(readdirSync(join(work, 'there')).sort()).toEqual([`${tarball}.tar.gz`, deb]);
    for (const name of [`${tarball}.tar.gz`, deb]) {
      expect(sha256(join(work, 'there', name)), name).toBe(sha256(join(work, 'here', name)));
    }
  });

  test('have the name and the architecture of their contents', async () => {
    const DIST = distWith(Buffer.from('\x7fELF of another machine'));
    const output = await pack(join(work, 'other'), { ARCH: 'arm64', DIST });
    const names = [`infoblox-cni-${version}-linux-arm64.tar.gz`, `infoblox-cni_${version}_arm64.deb`];
    expect(readdirSync(join(work, 'other')).sort()).toEqual(names);
    for (const name of names) expect(output).toContain(`package: ${join(work, 'other', name)} (`);
    expect(succeed('dpkg-deb', '--field', join(work, 'other', names[1] ?? ''), 'Architecture')).toBe('arm64\n');
  });
});

describe.skipIf(leftOut)('the Debian package', () => {
  const field = (name: string) => succeed('dpkg-deb', '--field', join(packages, deb), name).trim();

  test('depends on the packages of all libraries that the executable needs, and on no newer glibc than stated', () => {
    const program = join(dist, 'infoblox-cni');
    const needed = succeed('readelf', '--dynamic', program).match(/(?<=Shared library: \[)[^\]]+/g) ?? [];
    const places = succeed('ldd', program);
    const owners = needed.map((name) => {
      const path = places.match(/\/\S+/g)?.find((one) => one.endsWith(`/${name}`)) ?? '';
      return /^(\S+?):\S* \//m.exec(succeed('dpkg-query', '--search', realpathSync(path)))?.[1] ?? '';
    });
    const depends = field('Depends').split(', ');
    expect([...new Set(owners)].sort()).toEqual(depends.map((one) => one.split(' ')[0] ?? '').sort());
    const versions = [...succeed('readelf', '--version-info', program).matchAll(/Name: GLIBC_(\d+)\.(\d+)/g)];
    const newest = Math.max(...versions.map(([, major, minor]) => Number(major) * 1000 + Number(minor)));
    expect(depends).toContain(`libc6 (>= ${Math.floor(newest / 1000)}.${newest % 1000})`);
  });

  test('contains the files of make install, owned by root, with its secrets readable only by root', () => {
    const content = succeed('dpkg-deb', '--contents', join(packages, deb))
      .trim()
      .split('\n')
      .map((line) => {
        const [mode = '', owner = '', , , , path = ''] = line.split(/\s+/);
        return { mode, owner, path };
      });
    const files = content.filter(({ mode }) => !mode.startsWith('d')).map(({ path }) => path.slice(1));
    const made = join(work, 'made');
    const variables = [`DESTDIR=${made}`, `DIST=${dist}`, 'PREFIX=/usr', 'CNI_BIN_DIR=/usr/lib/cni'];
    succeed('make', '--no-print-directory', '-C', project, 'install', ...variables);
    const installed = filesBelow(made).map((path) => path.replace('/zsh/site-functions/', '/zsh/vendor-completions/'));
    expect(installed).toContain('/usr/lib/cni/infoblox');
    expect(files.sort()).toEqual([...installed, '/usr/share/doc/infoblox-cni/copyright'].sort());
    expect([...new Set(content.map(({ owner }) => owner))]).toEqual(['root/root']);
    const secret = content.filter(({ mode }) => mode === '-rw-------').map(({ path }) => path);
    expect(secret).toEqual(['./etc/infoblox-cni/daemon.env', './etc/infoblox-cni/wapi-password']);
    for (const { mode, path } of content)
      if (!secret.includes(path)) expect(mode, path).toMatch(/^([-dh]rw[-x]r-[-x]r-[-x]|lrwxrwxrwx)$/);
  });
});
