import { expect, test } from 'vitest';
import { UntrustedPath } from '../../../../../src/files/trusted-path.ts';
import { GridError } from '../../../../../src/infoblox/errors.ts';
import type { Verdict } from '../../../../../src/modes/operator/doctor/check.ts';
import {
  judgeCredentials,
  judgeDaemon,
  judgeSocket,
  judgeStateDirectory,
  judgeUser,
} from '../../../../../src/modes/operator/doctor/host.ts';
import type { Status } from '../../../../../src/modes/operator-protocol.ts';
import { aStatus, now } from '../../../../fixture/a-status.ts';
import { linesOf } from './verdict-lines.ts';

const line = (verdicts: Verdict | readonly Verdict[]) => linesOf(verdicts)[0];

const usual = { socketDir: '/run/cni', stateDir: '/var/lib/infoblox-cni' };
const own = { socketDir: '/home/me/run', stateDir: '/home/me/state' };

const notForOthers =
  'failure: uid 1000, but only root may use the socket and the state -> run this command as root, for example with sudo';

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
  [
    'cni',
    password,
    exposure,
    /^warning: \/etc\/pw can be read by everybody \(mode 0644\) -> run chmod 0600 \/etc\/pw, then/,
  ],
])('credentials: user "%s"', (wapiUsername, readPassword, passwordExposure, expected) => {
  const said = line(
    judgeCredentials({
      wapiUsername,
      readPassword,
      passwordExposure,
      passwordRemark: () => undefined,
      clientCertificate: undefined,
    }),
  );
  expect(said).toMatch(expected);
  expect(said).not.toContain('hunter2');
});

test('credentials: a missing password ends the check', () => {
  const credentials = { passwordExposure: unexposed, passwordRemark: () => undefined, clientCertificate: undefined };
  expect(() => judgeCredentials({ wapiUsername: 'cni', readPassword: missing, ...credentials })).toThrow(GridError);
});

const directory = { untrusted: undefined, isDirectory: true, isSocket: false, mode: 0o700 };
const untrusted = new UntrustedPath('/state belongs to uid 1000, not to root', 'chown root /state');

test.each([
  [directory, 2 ** 30, 'ok: /state, mode 0700, 1024 MiB free'],
  [{ ...directory, untrusted }, 0, 'failure: /state belongs to uid 1000, not to root -> run chown root /state'],
  [{ ...directory, isDirectory: false }, 0, /^failure: \/state is not a directory -> /],
  [directory, 2 ** 25, /^warning: \/state, mode 0700, 32 MiB free -> free space/],
  [directory, 1000, /^failure: \/state, mode 0700, 0 MiB free -> free space/],
])('state directory: %j with %d bytes free', (facts, free, expected) => {
  expect(line(judgeStateDirectory('/state', facts, () => free))).toMatch(expected);
});

test('state directory: a missing one will be made by the daemon', () => {
  expect(line(judgeStateDirectory('/nonexistent'))).toBe('ok: /nonexistent does not exist yet: the daemon creates it');
});

const socket = { untrusted: undefined, isSocket: true, isDirectory: false, mode: 0o600 };
const openToAll = new UntrustedPath('/run/cni is writable by users other than root (mode 0777)', 'chmod go-w /run/cni');

test.each([
  [socket, 'ok', /^\/run\/s, mode 0600$/, null],
  [undefined, 'failure', /^the daemon is not running: there is no \/run\/s$/, /^start it with systemctl start/],
  [{ ...socket, untrusted: openToAll }, 'failure', /mode 0777\): plugins refuse it$/, /^run chmod go-w \/run\/cni$/],
  [{ ...socket, isSocket: false }, 'failure', /^\/run\/s is not a socket$/, /^remove it/],
  [
    { ...socket, mode: 0o666 },
    'failure',
    /can be used by users other than root \(mode 0666\)$/,
    /^run chmod 0600 \/run\/s$/,
  ],
])('socket: %j is %s', (facts, level, message, fix) => {
  const verdict = judgeSocket('/run/s', facts);
  expect(verdict).toMatchObject({ level, message: expect.stringMatching(message) });
  if (fix === null) expect(verdict.fix).toBe(null);
  else expect(verdict.fix).toMatch(fix);
});

const grid = { ...aStatus().grid, hosts: ['gm', 'gmc'], inUse: null, answeredAt: null };
const status = aStatus({ grid });
const expected = {
  ...{ version: '1.0.0', commit: 'abc', now },
  options: {
    ...{ gridHosts: ['gm', 'gmc'], wapiPort: 443, wapiVersion: '2.3', wapiUsername: 'cni' },
    ...{ stateDir: '/state', clusterName: 'c', nodeName: 'n' },
  },
};
const condition = {
  kind: 'grid-unavailable',
  subject: '',
  message: 'no route',
  hint: 'look',
  since: now - 60_000,
};

test.each<[string, Partial<Status>, (string | null)[][]]>([
  ['of the installed release', {}, [['ok', 'infoblox-cni 1.0.0 (abc) answers, running for 5s', null]]],
  [
    'of another build',
    { commit: 'abd' },
    [
      [
        'failure',
        'infoblox-cni 1.0.0 (abd) is running, but 1.0.0 (abc) is installed',
        'run systemctl restart infoblox-cni-daemon (containers keep their addresses)',
      ],
    ],
  ],
  [
    'with other flags',
    { node: 'm', grid: { ...grid, port: 8443 } },
    [
      ['ok', 'infoblox-cni 1.0.0 (abc) answers, running for 5s', null],
      [
        'warning',
        'the running daemon was started with other values of --wapi-port, --node-name',
        'to apply the current ones, run systemctl restart infoblox-cni-daemon (containers keep their addresses)',
      ],
    ],
  ],
  [
    'with conditions',
    { conditions: [condition, { ...condition, kind: 'grid-read-only', message: 'no writes' }] },
    [
      ['ok', 'infoblox-cni 1.0.0 (abc) answers, running for 5s', null],
      ['warning', 'it reports grid-unavailable for 1m: no route', 'look'],
      // No other check of doctor can find this one.
      ['failure', 'it reports grid-read-only for 1m: no writes', 'look'],
    ],
  ],
])('a daemon %s', (_, differs, verdicts) => {
  const found = judgeDaemon({ ...status, ...differs }, expected);
  expect(found.map(({ level, message, fix }) => [level, message, fix])).toEqual(verdicts);
});
