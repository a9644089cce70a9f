/** A path is trusted if only root can change where it leads. */
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeDirectory, refuseUntrusted, UntrustedPath } from '../../../src/files/trusted-path.ts';
import { rootTest } from '../../fixture/root.ts';

const nobody = 65534;

/** Runs a test with a directory `base` in which `ours` belongs to root. */
function trustTest(name: string, run: (base: string) => void): void {
  rootTest(name, 'directories of another user', async () => {
    const base = mkdtempSync(join(tmpdir(), 'infoblox-cni-trust-'));
    mkdirSync(join(base, 'ours'));
    try {
      run(base);
    } finally {
      rmSync(base, { recursive: true });
    }
  });
}

function refusal(path: string): UntrustedPath {
  try {
    refuseUntrusted(path);
  } catch (error) {
    if (error instanceof UntrustedPath) return error;
    throw error;
  }
  throw new Error(`${path} is trusted`);
}

trustTest('directories, files and links of root are trusted, and so are missing paths in them', (base) => {
  writeFileSync(join(base, 'ours/file'), '');
  symlinkSync('ours', join(base, 'link'));
  for (const path of ['ours', 'ours/file', 'ours/absent', 'ours/absent/further', 'link/file', 'ours/../link//./file']) {
    expect(() => refuseUntrusted(join(base, '/') + path)).not.toThrow();
  }
});

trustTest('the error names a part that belongs to another user, with the command that fixes it', (base) => {
  const theirs = join(base, 'theirs');
  mkdirSync(join(theirs, 'inner'), { recursive: true });
  chownSync(theirs, nobody, nobody);
  for (const path of [theirs, join(theirs, 'inner'), join(theirs, 'absent')]) {
    expect(refusal(path)).toMatchObject({
      message: `${theirs} belongs to uid 65534, not to root`,
      hint: `chown root ${theirs}`,
    });
  }
});

trustTest('a directory of the service is trusted if the service is named and nobody else can write to it', (base) => {
  const state = join(base, 'ours/state');
  mkdirSync(state, { mode: 0o700 });
  chownSync(state, nobody, nobody);
  expect(() => refuseUntrusted(join(state, 'keys'), { user: nobody })).not.toThrow();
  for (const user of [undefined, 1]) expect(() => refuseUntrusted(state, { user })).toThrow(/belongs to uid 65534/);
  symlinkSync(join(base, 'ours'), join(state, 'planted'));
  lchownSync(join(state, 'planted'), nobody, nobody);
  expect(() => refuseUntrusted(join(state, 'planted/keys'), { user: nobody })).toThrow(/planted belongs to uid 65534/);
  chmodSync(state, 0o770);
  expect(() => refuseUntrusted(state, { user: nobody })).toThrow(/is writable by users other than root/);
});

trustTest('the error names a part that others can write to, with its mode and the command that fixes it', (base) => {
  const ours = join(base, 'ours');
  for (const [mode, shown] of [
    [0o775, '0775'],
    [0o757, '0757'],
  ] as const) {
    chmodSync(ours, mode);
    for (const path of [ours, join(ours, 'absent/further')]) {
      expect(refusal(path)).toMatchObject({
        message: `${ours} is writable by users other than root (mode ${shown})`,
        hint: `chmod go-w ${ours}`,
      });
    }
  }
});

trustTest('in a sticky directory only existing paths of root are trusted', (base) => {
  const shared = join(base, 'shared');
  mkdirSync(join(shared, 'ours'), { recursive: true });
  mkdirSync(join(shared, 'theirs'));
  chmodSync(shared, 0o1777);
  chownSync(join(shared, 'theirs'), nobody, nobody);
  refuseUntrusted(join(shared, 'ours/absent'));
  // Anybody could create the missing path between this check and its use.
  for (const path of ['', 'absent', 'theirs']) expect(() => refuseUntrusted(join(shared, path))).toThrow(UntrustedPath);
  // The hint must not suggest to close /tmp.
  expect(refusal(shared).hint).toBe(`install -d -m 0700 ${shared}/infoblox-cni and name that directory instead`);
});

trustTest('a link is followed only if root made it', (base) => {
  const theirs = join(base, 'theirs');
  mkdirSync(theirs);
  chownSync(theirs, nobody, nobody);
  symlinkSync(theirs, join(base, 'ours/to-theirs'));
  symlinkSync(join(base, 'ours'), join(base, 'forged'));
  lchownSync(join(base, 'forged'), nobody, nobody);
  symlinkSync('loop', join(base, 'ours/loop'));
  expect(refusal(join(base, 'ours/to-theirs/x')).message).toBe(`${theirs} belongs to uid 65534, not to root`);
  expect(refusal(join(base, 'forged/x')).message).toBe(`${base}/forged belongs to uid 65534, not to root`);
  expect(() => refuseUntrusted(join(base, 'ours/loop'))).not.toThrow();
});

trustTest('no directory is made in a place of other users, or behind their link', (base) => {
  const theirs = join(base, 'theirs');
  mkdirSync(theirs);
  chownSync(theirs, nobody, nobody);
  symlinkSync(join(base, 'ours/victim'), join(base, 'forged'));
  lchownSync(join(base, 'forged'), nobody, nobody);
  for (const path of ['theirs/run/cni', 'theirs/cni', 'forged/cni', 'forged']) {
    expect(() => makeDirectory(join(base, path), 0o755)).toThrow(UntrustedPath);
  }
  expect(['theirs/run', 'theirs/cni', 'ours/victim'].filter((path) => existsSync(join(base, path)))).toEqual([]);
});

trustTest('a directory may be made in a sticky one, where root keeps it', (base) => {
  const shared = join(base, 'shared');
  mkdirSync(shared);
  chmodSync(shared, 0o1777);
  makeDirectory(join(shared, 'run/cni'), 0o755);
  expect(existsSync(join(shared, 'run/cni'))).toBe(true);
});

test('a directory is made with its missing parents whatever the umask, and the error names a file in its place', () => {
  const base = mkdtempSync(join(tmpdir(), 'infoblox-cni-directory-'));
  const umask = process.umask(0o777);
  try {
    makeDirectory(join(base, 'a/b'), 0o700);
  } finally {
    process.umask(umask);
  }
  expect(statSync(join(base, 'a/b')).mode & 0o777).toBe(0o700);
  expect(statSync(join(base, 'a')).mode & 0o777).toBe(0o755);
  const file = join(base, 'state');
  writeFileSync(file, '');
  expect(() => makeDirectory(file, 0o700)).toThrow(`${file} is not a directory`);
  rmSync(base, { recursive: true });
});
