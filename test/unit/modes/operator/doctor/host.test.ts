import { expect, test } from 'vitest';
import { UntrustedPath } from '../../../../../src/files/trusted-path.ts';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import type { Verdict } from '../../../../../src/modes/operator/doctor/finding.ts';
import { judgeCredentials, judgeStateDirectory, judgeUser } from '../../../../../src/modes/operator/doctor/host.ts';

const line = ([verdict]: readonly Verdict[]) =>
  `${verdict?.level}: ${verdict?.message}${verdict?.fix === null ? '' : ` -> ${verdict?.fix}`}`;

const usual = { socketDir: '/run/cni', stateDir: '/var/lib/infoblox-cni' };
const own = { socketDir: '/home/me/run', stateDir: '/home/me/state' };

const notForOthers =
  'failure: uid 1000, and socket and state are for root alone -> run this command as root, with sudo say';

test.each([
  [usual, { uid: 0, isStateHidden: false }, 'ok: root'],
  [own, { uid: 1000, isStateHidden: false }, 'ok: uid 1000, with directories of its own'],
  [usual, { uid: 1000, isStateHidden: false }, notForOthers],
  [own, { uid: 1000, isStateHidden: true }, notForOthers],
])('user: %j as %j', (directories, who, expected) => {
  expect(line(judgeUser(directories, who))).toBe(expected);
});

const password = () => 'hunter2';
const unexposed = () => undefined;
const exposure = () => ({ file: '/etc/pw', readers: 'everybody', mode: '0644', hint: 'chmod 0600 /etc/pw' });
const missing = () => {
  throw new GridError('credentials', 'no WAPI password given', { hint: 'put it into the file' });
};

test.each([
  ['cni', password, unexposed, 'ok: user and password'],
  ['', password, unexposed, /^failure: --wapi-username is not set.* -> set it in DAEMON_FLAGS$/],
  ['cni', missing, unexposed, 'failure: no WAPI password given -> put it into the file'],
  [
    'cni',
    password,
    exposure,
    /^warning: \/etc\/pw can be read by everybody \(mode 0644\) -> run chmod 0600 \/etc\/pw, then/,
  ],
])('credentials: user "%s"', (wapiUsername, readPassword, passwordExposure, expected) => {
  const said = line(judgeCredentials({ wapiUsername, readPassword, passwordExposure, clientCertificate: undefined }));
  expect(said).toMatch(expected);
  expect(said).not.toContain('hunter2');
});

const directory = {
  untrusted: undefined,
  isDirectory: true,
  mode: 0o700,
  isReadOnly: false,
  free: 2 ** 30,
  takesFiles: true,
};
const untrusted = new UntrustedPath('/state belongs to uid 1000, not to root', 'chown root /state');

test.each([
  [directory, 'ok: /state, mode 0700, 1024 MiB free'],
  [undefined, 'ok: /state is not there yet: the daemon makes it'],
  [{ ...directory, untrusted }, 'failure: /state belongs to uid 1000, not to root -> run chown root /state'],
  [{ ...directory, isDirectory: false }, /^failure: \/state is not a directory -> /],
  [{ ...directory, isReadOnly: true }, /^failure: \/state is on a file system that is mounted read-only -> mount it/],
  [{ ...directory, free: 2 ** 25 }, /^warning: \/state: 32 MiB free -> free space/],
  [{ ...directory, free: 1000 }, /^failure: \/state: 0 MiB free: ADDs fail with error 5, or soon will -> free space/],
  [{ ...directory, takesFiles: false }, /^failure: no inode is left on the file system of \/state -> /],
])('state directory: %j', (facts, expected) => {
  expect(line(judgeStateDirectory('/state', facts))).toMatch(expected);
});
