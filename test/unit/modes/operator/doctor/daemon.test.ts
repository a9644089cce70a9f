import { expect, test } from 'vitest';
import { UntrustedPath } from '../../../../../src/files/trusted-path.ts';
import { judgeDaemon, judgeSocket } from '../../../../../src/modes/operator/doctor/daemon.ts';
import type { Status } from '../../../../../src/modes/operator-protocol.ts';

const socket = { untrusted: undefined, isSocket: true, mode: 0o600 };
const untrusted = new UntrustedPath('/run/cni is writable by users other than root (mode 0777)', 'chmod go-w /run/cni');

test.each([
  [socket, 'ok', /^\/run\/s, mode 0600$/, null],
  [undefined, 'failure', /^the daemon is not running: there is no \/run\/s$/, /^start it with systemctl start/],
  [{ ...socket, untrusted }, 'failure', /mode 0777\): plugins refuse it$/, /^run chmod go-w \/run\/cni$/],
  [{ ...socket, isSocket: false }, 'failure', /^\/run\/s is no socket$/, /^remove it/],
  [
    { ...socket, mode: 0o666 },
    'failure',
    /can be used by users other than root \(mode 0666\)$/,
    /^run chmod 0600 \/run\/s$/,
  ],
])('socket: %j is %s', (facts, level, message, fix) => {
  const [verdict] = judgeSocket('/run/s', facts);
  expect(verdict).toMatchObject({ level, message: expect.stringMatching(message) });
  if (fix === null) expect(verdict?.fix).toBe(null);
  else expect(verdict?.fix).toMatch(fix);
});

const now = 1_800_000_000_000;
const grid = {
  ...{ hosts: ['gm', 'gmc'], inUse: null, answeredAt: null, port: 443, wapiVersion: '2.3', user: 'cni' },
  ...{ trust: 'verified', isLoggedIn: true, certificateEndsAt: null, clientCertificateEndsAt: null },
};
const status: Status = {
  ...{
    version: '1.0.0',
    commit: 'abc',
    startedAt: now - 5_000,
    cluster: 'c',
    node: 'n',
    formerNames: [],
    driver: 'infoblox',
  },
  ...{ stateDir: '/state', grid, conditions: [], networks: [], leases: { pending: 0, bound: 0, releasing: 0 } },
  ...{ oldestRelease: null, errors: [] },
};
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
  ['the one that is installed', {}, [['ok', 'infoblox-cni 1.0.0 (abc) answers, running for 5s', null]]],
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
        'the running daemon has another --wapi-port, --node-name than configured now',
        'if the change is meant, run systemctl restart infoblox-cni-daemon (containers keep their addresses)',
      ],
    ],
  ],
  [
    'that is not well',
    { conditions: [condition, { ...condition, kind: 'grid-read-only', message: 'no writes' }] },
    [
      ['ok', 'infoblox-cni 1.0.0 (abc) answers, running for 5s', null],
      ['warning', 'it reports grid-unavailable for 1m: no route', 'look'],
      // No other check of doctor can see it.
      ['failure', 'it reports grid-read-only for 1m: no writes', 'look'],
    ],
  ],
])('a daemon %s', (_, differs, verdicts) => {
  const found = judgeDaemon({ ...status, ...differs }, expected);
  expect(found.map(({ level, message, fix }) => [level, message, fix])).toEqual(verdicts);
});
