import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { processTitle, refuseOtherUsers, serviceUid } from '../../../../../src/modes/daemon/process.ts';
import { StartError } from '../../../../../src/modes/daemon/start-error.ts';

const usual = { socketDir: '/run/cni', stateDir: '/var/lib/infoblox-cni' };
const own = { socketDir: '/home/u/run', stateDir: '/home/u/state' };

test('the error for a user other than root names the user ID and a way to try the daemon anyway', () => {
  for (const places of [usual, { ...usual, socketDir: own.socketDir }, { ...usual, stateDir: own.stateDir }]) {
    expect(() => refuseOtherUsers(places, 1000)).toThrow(StartError);
    expect(() => refuseOtherUsers(places, 1000)).toThrow(/^must run as root \(this is uid 1000\)\. .*--socket-dir/);
  }
});

test('root can start the daemon anywhere, another user in directories of their own', () => {
  refuseOtherUsers(usual, 0);
  refuseOtherUsers(own, 1000);
});

const file = join(mkdtempSync(join(tmpdir(), 'passwd-')), 'passwd');

test.each([
  ['root:x:0:0:root:/root:/bin/sh\ninfoblox-cni:!:991:990:Infoblox CNI IPAM daemon:/:/usr/sbin/nologin\n', 991],
  ['root:x:0:0:root:/root:/bin/sh\nnot-infoblox-cni:!:991:990::/:/bin/sh\n', undefined],
])('the user of the service is found by name', (text, uid) => {
  writeFileSync(file, text);
  expect(serviceUid(file)).toBe(uid);
});

test('a host without such a user has none', () => {
  expect(serviceUid('/nonexistent')).toBe(undefined);
});

test.each([
  [['--grid-host=a', '--wapi-port', '443'], 'infoblox-cni-daemon --grid-host=a --wapi-port 443'],
  [['--wapi-password=one two', '--driver-name=x'], 'infoblox-cni-daemon --wapi-password=... --driver-name=x'],
  [['-wapi-password=a=b\nc'], 'infoblox-cni-daemon -wapi-password=...'],
  [['--wapi-password', 'secret', '--labels=a=b'], 'infoblox-cni-daemon --wapi-password ... --labels=a=b'],
  [['-wapi-password', '--grid-host'], 'infoblox-cni-daemon -wapi-password ...'],
  [['--wapi-password-file=/etc/p'], 'infoblox-cni-daemon --wapi-password-file=/etc/p'],
])('the process list shows the command line without the password: %j', (args, title) => {
  expect(processTitle(args)).toBe(title);
});
