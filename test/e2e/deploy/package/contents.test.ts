/** The contents of the Debian package. release.test.ts shows that packages are reproducible. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dist } from '../../program.ts';
import { deb, filesBelow, leftOut, madePackages, packageTimeoutMs, project, succeed } from './packages.ts';

let work: string;
let packages: string;

beforeAll(async () => {
  work = mkdtempSync(join(tmpdir(), 'infoblox-cni-package-'));
  if (!leftOut) packages = await madePackages();
}, packageTimeoutMs);
afterAll(() => rmSync(work, { recursive: true }));

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
