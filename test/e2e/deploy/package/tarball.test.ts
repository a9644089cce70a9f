/** The tarball, installed by its own script after unpacking. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { dist } from '../../program.ts';
import { filesBelow, leftOut, madePackages, packageTimeoutMs, project, succeed, tarball, version } from './packages.ts';
import { ThrowawayRoot } from './throwaway-root.ts';

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

describe.skipIf(leftOut)('the tarball', () => {
  let work: string;
  let unpacked: string;
  let host: string;

  beforeAll(async () => {
    work = mkdtempSync(join(tmpdir(), 'infoblox-cni-tarball-'));
    if (leftOut) return;
    succeed('tar', '-xzf', join(await madePackages(), `${tarball}.tar.gz`), '-C', work);
    unpacked = join(work, tarball);
  }, packageTimeoutMs);
  afterAll(() => rmSync(work, { recursive: true }));
  beforeEach(() => {
    host = mkdtempSync(join(work, 'host-'));
  });

  function install(env: Record<string, string>, ...as: string[]) {
    const [file = '', ...args] = [...as, 'sh', join(unpacked, 'install.sh'), 'install'];
    return spawnSync(file, args, {
      encoding: 'utf8',
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env },
    });
  }

  test('installs the same files below a DESTDIR as make install', () => {
    const made = join(work, 'made');
    const variables = [`DESTDIR=${made}`, `DIST=${dist}`, 'CNI_BIN_DIR=/opt/cni/bin'];
    succeed('make', '--no-print-directory', '-C', project, 'install', ...variables);
    const run = install({ DESTDIR: host, CNI_BIN_DIR: '/opt/cni/bin' });
    expect(run.status, run.stderr).toBe(0);
    expect(filesBelow(host)).toEqual(filesBelow(made));
    expect(sha256(join(host, 'opt/cni/bin/infoblox'))).toBe(sha256(join(dist, 'infoblox-cni')));
    expect(statSync(join(host, 'etc/infoblox-cni/daemon.env')).mode & 0o777).toBe(0o600);
  });

  test('contains the licences and the list of components', () => {
    expect(readFileSync(join(unpacked, 'LICENSE'), 'utf8')).toContain('Apache License');
    expect(readFileSync(join(unpacked, 'THIRD-PARTY-LICENSES'), 'utf8')).toContain('Node.js is licensed');
    expect(JSON.parse(readFileSync(join(unpacked, 'infoblox-cni.cdx.json'), 'utf8')).bomFormat).toBe('CycloneDX');
  });

  describe('changes nothing, and gives the reason and the fix,', () => {
    function expectRefusal(run: { status: number | null; stderr: string }, reason: RegExp) {
      expect(run.status).toBe(1);
      expect(run.stderr).toMatch(reason);
      expect(run.stderr).toMatch(/nothing was changed\n$/);
      expect(filesBelow(host)).toEqual([]);
    }

    test('without a build', () => {
      const reason = /^install: no infoblox-cni in \/nowhere\. Name the directory of a build in DIST/;
      expectRefusal(install({ DESTDIR: host, DIST: '/nowhere' }), reason);
    });

    test('without the right to write', () => {
      // The user `nobody` may read the directory.
      mkdirSync(join(host, 'usr'));
      succeed('chmod', '-R', 'go+rX', work);
      const run = install({ DESTDIR: host }, 'setpriv', '--reuid=65534', '--regid=65534', '--clear-groups');
      expectRefusal(run, /^install: \S+ cannot be written to\. Run it as root/m);
    });

    test('if the executable does not run', () => {
      const other = join(work, 'not-for-here');
      mkdirSync(other, { recursive: true });
      writeFileSync(join(other, 'infoblox-cni'), '#!/nowhere/ld.so\n', { mode: 0o755 });
      writeFileSync(join(other, 'THIRD-PARTY-LICENSES'), '');
      const run = install({ DIST: other, PREFIX: host, CNI_BIN_DIR: join(host, 'cni') });
      expectRefusal(run, /does not run on this host, .*: .*It needs the build for this machine, glibc 2\.28 or later/s);
    });
  });

  test('can be installed from its unpacked directory, and uninstalled', async () => {
    const root = await ThrowawayRoot.start(work);
    try {
      const before = root.written();
      const output = await root.succeed(`cd / && sh /packages/${tarball}/install.sh install`);
      expect(output).toContain('install: /usr/lib/cni/infoblox\n');
      expect(await root.succeed('infoblox-cni-daemon --version')).toContain(`infoblox-cni ${version} (`);
      expect(await root.succeed('cat /usr/local/lib/systemd/system/infoblox-cni-daemon.service')).toContain(
        'ExecStart=/usr/local/bin/infoblox-cni-daemon',
      );
      expect(await root.succeed('getent passwd infoblox-cni')).toContain('infoblox-cni:');
      await root.succeed(`cd / && sh /packages/${tarball}/install.sh uninstall`);
      const left = root
        .written()
        .filter((path) => !before.includes(path) && !/^\/etc\/(passwd|shadow|group|gshadow|\.pwd)/.test(path));
      expect(
        left.every((path) => path.startsWith('/etc/infoblox-cni/')),
        left.join(' '),
      ).toBe(true);
    } finally {
      await root.stop();
    }
  });
});
