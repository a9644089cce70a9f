import { expect, test } from 'vitest';
import { refuseOtherUsers } from '../../../../src/modes/daemon/process/root.ts';
import { StartError } from '../../../../src/modes/daemon/start-error.ts';

const usual = { socketDir: '/run/cni', stateDir: '/var/lib/infoblox-cni' };
const own = { socketDir: '/home/u/run', stateDir: '/home/u/state' };

test('another user than root is told so, with his number and how to try the daemon all the same', () => {
  for (const places of [usual, { ...usual, socketDir: own.socketDir }, { ...usual, stateDir: own.stateDir }]) {
    expect(() => refuseOtherUsers(places, 1000)).toThrow(StartError);
    expect(() => refuseOtherUsers(places, 1000)).toThrow(/^must run as root \(this is uid 1000\)\. .*--socket-dir/);
  }
});

test('root starts anywhere, another user in directories of his own', () => {
  refuseOtherUsers(usual, 0);
  refuseOtherUsers(own, 1000);
});
