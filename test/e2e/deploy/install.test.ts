import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const project = join(import.meta.dirname, '../../..');
let work: string;
let host: string;

/** Runs make with an npm that records calls, and a small native program in place of the built one. */
function make(target: string, ...variables: string[]) {
  const env = { PATH: `${join(work, 'bin')}:/usr/bin:/bin` };
  const args = ['--no-print-directory', target, `DESTDIR=${host}`, `DIST=${join(work, 'dist')}`, ...variables];
  const run = spawnSync('make', args, { cwd: project, encoding: 'utf8', env });
  expect(existsSync(join(work, 'npm-was-called'))).toBe(false);
  return run;
}

function expectDone(run: { status: number | null; stderr: string }) {
  expect(run.status, run.stderr).toBe(0);
}

/** Lists files and links under a directory by relative path. */
function filesUnder(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)))
    .sort();
}

function build(program: string) {
  mkdirSync(join(work, 'dist'), { recursive: true });
  copyFileSync(realpathSync(program), join(work, 'dist/infoblox-cni'));
  chmodSync(join(work, 'dist/infoblox-cni'), 0o755);
  writeFileSync(join(work, 'dist/THIRD-PARTY-LICENSES'), 'the licences\n');
  for (const file of shared) {
    mkdirSync(join(work, 'dist/share', file, '..'), { recursive: true });
    writeFileSync(join(work, 'dist/share', file), file);
  }
}

/** Files of a build below share/, which build/reproducible.test.ts checks. */
const shared = [
  'bash-completion/completions/infoblox-cni',
  'bash-completion/completions/infoblox-cni-daemon',
  'fish/vendor_completions.d/infoblox-cni-daemon.fish',
  'fish/vendor_completions.d/infoblox-cni.fish',
  'man/man8/infoblox-cni-daemon.8',
  'man/man8/infoblox-cni.8',
  'man/man8/infoblox.8',
  'zsh/site-functions/_infoblox-cni-daemon',
];

/** The ways to run the daemon without systemd. */
const scripts = ['daemon-environment', 'run-aci-daemon', 'run-daemon', 'run-docker-daemon', 'run-rkt-daemon'].map(
  (name) => `infoblox-cni/${name}.sh`,
);

/** Installed documents, at the paths that the texts name. */
const documents = ['README.md', 'SECURITY.md', 'CHANGELOG.md', 'docs', 'deploy/monitoring', 'deploy/kubernetes']
  .flatMap((path) => (path.endsWith('.md') ? [path] : filesUnder(join(project, path)).map((file) => `${path}/${file}`)))
  .filter((file) => !file.endsWith('.test.yml'))
  .map((file) => `doc/infoblox-cni/${file}`);

const at = (path: string) => join(host, path);

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'infoblox-cni-install-'));
  host = join(work, 'host');
  mkdirSync(join(work, 'bin'));
  writeFileSync(join(work, 'bin/npm'), `#!/bin/sh\ntouch ${join(work, 'npm-was-called')}\nexit 1\n`, { mode: 0o755 });
  build('/bin/sleep');
});

afterEach(() => {
  rmSync(work, { recursive: true });
});

describe('make install', () => {
  it('puts executable, links, unit and examples where hosts look for them', () => {
    expectDone(make('install'));
    expect(filesUnder(host)).toEqual([
      'etc/infoblox-cni/daemon.env',
      'etc/infoblox-cni/netconf/10-net-1.conf',
      'etc/infoblox-cni/netconf/10-net-1.conflist',
      'etc/infoblox-cni/wapi-password',
      'opt/cni/bin/infoblox',
      'usr/local/bin/infoblox-cni',
      'usr/local/bin/infoblox-cni-daemon',
      'usr/local/lib/systemd/system/infoblox-cni-daemon.service',
      'usr/local/lib/systemd/system/infoblox-cni.socket',
      'usr/local/lib/sysusers.d/infoblox-cni.conf',
      'usr/local/lib/tmpfiles.d/infoblox-cni.conf',
      ...['doc/infoblox-cni/THIRD-PARTY-LICENSES', ...documents, ...shared, ...scripts]
        .map((file) => `usr/local/share/${file}`)
        .sort(),
    ]);
    expect(readFileSync(at('usr/local/share/doc/infoblox-cni/THIRD-PARTY-LICENSES'), 'utf8')).toBe('the licences\n');
    expect(statSync(at('usr/local/bin/infoblox-cni')).mode & 0o777).toBe(0o755);
    expect(statSync(at('etc/infoblox-cni/wapi-password'))).toMatchObject({ size: 0 });
    expect(statSync(at('etc/infoblox-cni/wapi-password')).mode & 0o777).toBe(0o600);
    expect(realpathSync(at('usr/local/bin/infoblox-cni-daemon'))).toBe(realpathSync(at('usr/local/bin/infoblox-cni')));
  });

  it.each([
    ['#!/bin/sh\necho "infoblox-cni 1.2.3 (abc123)"\n', 'install: infoblox-cni 1.2.3 (abc123), from '],
    ['\x7fELF of another machine', 'install: a build that does not run on this machine, from '],
  ])('first prints what it installs: %j', (program, line) => {
    writeFileSync(join(work, 'dist/infoblox-cni'), program);
    const run = make('install');
    expectDone(run);
    expect(run.stdout.split('\n')[0]).toBe(`${line}${join(work, 'dist')}`);
  });

  it('makes the plugin a regular file in its directory without extra disk space', () => {
    expectDone(make('install'));
    expect(lstatSync(at('opt/cni/bin/infoblox')).isFile()).toBe(true);
    expect(statSync(at('opt/cni/bin/infoblox')).ino).toBe(statSync(at('usr/local/bin/infoblox-cni')).ino);
  });

  it('accepts other directories, and writes the right executable into the unit', () => {
    expectDone(make('install', 'PREFIX=/usr', 'CNI_BIN_DIR=/usr/lib/cni', 'SYSTEMD_DIR=/etc/systemd/system'));
    expect(existsSync(at('usr/lib/cni/infoblox'))).toBe(true);
    const unit = readFileSync(at('etc/systemd/system/infoblox-cni-daemon.service'), 'utf8');
    expect(unit).toContain('\nExecStart=/usr/bin/infoblox-cni-daemon $DAEMON_FLAGS\n');
  });

  it('lets only root read the settings, which may contain a password, even those of an earlier release', () => {
    const settings = at('etc/infoblox-cni/daemon.env');
    const mode = () => statSync(settings).mode & 0o777;
    expectDone(make('install'));
    expect(mode()).toBe(0o600);
    chmodSync(settings, 0o644);
    expectDone(make('install'));
    expect(mode()).toBe(0o640);
  });

  it.each([
    ['252 (252.39-1~deb12u1)', ['old-systemd.conf']],
    ['257 (257.13-1)', []],
  ])('lets a child process notify a systemd that hands over no connection: %s', (version, dropIns) => {
    const installWith = (one: string) => {
      writeFileSync(join(work, 'bin/systemctl'), `#!/bin/sh\necho 'systemd ${one}'\n`, { mode: 0o755 });
      expectDone(make('install'));
    };
    installWith('252 (252.39-1~deb12u1)');
    installWith(version);
    const directory = at('usr/local/lib/systemd/system/infoblox-cni-daemon.service.d');
    expect(filesUnder(directory)).toEqual(dropIns);
    for (const name of dropIns) expect(readFileSync(join(directory, name), 'utf8')).toContain('NotifyAccess=all');
    expectDone(make('uninstall'));
    expect(existsSync(directory)).toBe(false);
  });

  it('installs the plugin beside `bridge`, wherever that is', () => {
    mkdirSync(at('usr/lib/cni'), { recursive: true });
    writeFileSync(at('usr/lib/cni/bridge'), '');
    const run = make('install');
    expectDone(run);
    expect(run.stdout).not.toContain('CNI_BIN_DIR');
    expect(filesUnder(at('usr/lib/cni'))).toEqual(['bridge', 'infoblox']);
    expect(existsSync(at('opt/cni'))).toBe(false);
    expectDone(make('uninstall'));
    expect(filesUnder(at('usr/lib/cni'))).toEqual(['bridge']);
  });

  it('replaces a plugin of an earlier installation, even without `bridge`', () => {
    expectDone(make('install', 'CNI_BIN_DIR=/opt/cni/bin'));
    mkdirSync(at('usr/lib/cni'), { recursive: true });
    writeFileSync(at('usr/lib/cni/bridge'), '');
    build('/bin/true');
    expectDone(make('install'));
    const inode = (path: string) => statSync(at(path)).ino;
    expect(inode('opt/cni/bin/infoblox')).toBe(inode('usr/local/bin/infoblox-cni'));
    expect(inode('usr/lib/cni/infoblox')).toBe(inode('usr/local/bin/infoblox-cni'));
  });

  it('warns if there is no `bridge` to show the directory of plugins', () => {
    const run = make('install');
    expectDone(run);
    expect(run.stdout).toContain(
      `no bridge plugin in /opt/cni/bin /usr/lib/cni /usr/libexec/cni below ${host}: if the runtime looks`,
    );
    expect(existsSync(at('opt/cni/bin/infoblox'))).toBe(true);
  });

  it("installs into rkt's plugin directory if it exists or is given", () => {
    mkdirSync(at('usr/lib/rkt/plugins/net'), { recursive: true });
    expectDone(make('install'));
    expectDone(make('install', 'RKT_PLUGIN_DIR=/opt/rkt/net'));
    expect(lstatSync(at('usr/lib/rkt/plugins/net/infoblox')).isFile()).toBe(true);
    expect(lstatSync(at('opt/rkt/net/infoblox')).isFile()).toBe(true);
  });

  it('replaces a running plugin, which continues undisturbed', async () => {
    expectDone(make('install'));
    const running = spawn(at('opt/cni/bin/infoblox'), ['60'], { stdio: 'ignore' });
    try {
      await new Promise((resolve) => running.once('spawn', resolve));
      build('/bin/true');
      expectDone(make('install'));
      expect(running.exitCode).toBe(null);
      expect(spawnSync(at('opt/cni/bin/infoblox'), ['not a number']).status).toBe(0);
      expect(filesUnder(at('opt/cni/bin'))).toEqual(['infoblox']);
    } finally {
      running.kill();
    }
  });

  it('never overwrites files that an operator has edited, and then asks for a restart alone', () => {
    expect(make('install').stdout).toMatch(/^ {2}1\. write the grid's address .*^ {2}4\. infoblox-cni doctor$/ms);
    const edited = ['daemon.env', 'wapi-password', 'netconf/10-net-1.conf'].map((name) =>
      at(`etc/infoblox-cni/${name}`),
    );
    for (const file of edited) writeFileSync(file, 'edited');
    const again = make('install');
    expectDone(again);
    expect(again.stdout).toMatch(/^Next: systemctl daemon-reload && systemctl restart infoblox-cni-daemon\.service$/m);
    expect(again.stdout).not.toContain('write the grid');
    expect(edited.map((file) => readFileSync(file, 'utf8'))).toEqual(['edited', 'edited', 'edited']);
  });

  it('keeps a plugin of the same name that somebody else installed', () => {
    mkdirSync(at('opt/cni/bin'), { recursive: true });
    writeFileSync(at('opt/cni/bin/infoblox'), 'the driver before');
    const run = make('install');
    expectDone(run);
    expect(run.stdout).toContain('kept as');
    expect(readFileSync(at('opt/cni/bin/infoblox.replaced'), 'utf8')).toBe('the driver before');
  });

  it('never overwrites a file that it kept earlier', () => {
    mkdirSync(at('opt/cni/bin'), { recursive: true });
    for (const content of ['first', 'second', 'first']) {
      rmSync(at('opt/cni/bin/infoblox'), { force: true });
      writeFileSync(at('opt/cni/bin/infoblox'), content);
      expectDone(make('install'));
    }
    const kept = ['infoblox.replaced', 'infoblox.replaced-2'];
    expect(filesUnder(at('opt/cni/bin'))).toEqual(['infoblox', ...kept]);
    expect(kept.map((name) => readFileSync(at(`opt/cni/bin/${name}`), 'utf8'))).toEqual(['first', 'second']);
  });
});

describe('make uninstall', () => {
  it('leaves only the configuration, and reports it', () => {
    mkdirSync(at('usr/lib/rkt/plugins/net'), { recursive: true });
    expectDone(make('install'));
    const run = make('uninstall');
    expectDone(run);
    expect(run.stdout).toContain('configuration in');
    expect(filesUnder(host).filter((file) => !file.startsWith('etc/infoblox-cni/'))).toEqual([]);
    expect(existsSync(at('etc/infoblox-cni/daemon.env'))).toBe(true);
    expect(existsSync(at('usr/local/share/doc/infoblox-cni'))).toBe(false);
    expect(existsSync(at('usr/local/share/infoblox-cni'))).toBe(false);
  });

  it('leaves a plugin that it did not install', () => {
    expectDone(make('install'));
    rmSync(at('opt/cni/bin/infoblox'));
    writeFileSync(at('opt/cni/bin/infoblox'), "somebody else's");
    expectDone(make('uninstall'));
    expect(filesUnder(at('opt'))).toEqual(['cni/bin/infoblox']);
  });

  it('succeeds when repeated', () => {
    expectDone(make('install'));
    expect(make('uninstall').stdout).toMatch(/removed manual pages .*\n.*removed the scripts/);
    const again = make('uninstall');
    expectDone(again);
    expect(again.stdout).not.toContain('removed');
  });
});
