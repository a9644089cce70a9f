/** Neither plugin nor daemon follows, reads, trusts or changes files that another user put in place of the socket. */
import { execFileSync } from 'node:child_process';
import {
  chownSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { answerFrame, newCallId, protocolVersion, requestFrame } from '../../src/modes/protocol.ts';
import { noteName } from '../../src/modes/release-note.ts';
import { startFakeDaemon } from '../fixture/fake-daemon.ts';
import { until } from '../fixture/host.ts';
import { rootTest } from '../fixture/root.ts';
import { startGrid } from '../simulator/grid.ts';
import { BuiltHost, type Command, failure } from './built-host.ts';
import { DaemonProcess } from './daemon-process.ts';

const nobody = 65534;

/** A host with a directory of root, `victim`, which is compared afterwards. */
function hostileTest(name: string, attack: (host: BuiltHost, victim: string) => Promise<void>): void {
  rootTest(name, 'directories of another user', async () => {
    const grid = await startGrid();
    const host = new BuiltHost(grid);
    const victim = join(host.directory, 'victim');
    mkdirSync(victim);
    writeFileSync(join(victim, 'file'), 'root’s');
    try {
      await attack(host, victim);
      expect(readdirSync(victim)).toEqual(['file']);
      expect(readFileSync(join(victim, 'file'), 'utf8')).toBe('root’s');
    } finally {
      await host.dispose();
      await grid.stop();
    }
  });
}

function forgedNote(containerId: string, host: BuiltHost): string {
  const names = { callId: newCallId(), containerId, ifName: 'eth0', netns: '', args: '' };
  return requestFrame('DEL', { protocol: protocolVersion, release: 'test', ...names, config: host.config() });
}

const note = (containerId: string) => noteName('net-1', containerId, 'eth0');

hostileTest(
  'the plugin does not call a daemon of another user, and leaves no note in its directory',
  async (host, victim) => {
    let asked = 0;
    const fake = await startFakeDaemon(host.socket, (socket) => {
      asked += 1;
      const result = { cniVersion: '1.1.0', ips: [{ address: '10.0.0.66/24' }] };
      socket.end(answerFrame({ result }));
    });
    symlinkSync(victim, join(host.socketDir, 'infoblox.owed'));
    for (const path of [host.socketDir, host.socket]) chownSync(path, nobody, nobody);
    try {
      const before = readdirSync(host.socketDir);
      for (const command of ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS'] satisfies Command[]) {
        const prevResult = { ips: [{ address: '10.0.0.66/24' }] };
        expect(failure(await host.call(command, { config: { prevResult } })), command).toMatchObject({
          code: 7,
          msg: `cannot trust the socket ${host.socket}: ${host.socketDir} belongs to uid 65534, not to root`,
          details: expect.stringMatching(/^Run chown root \S+, or use another "socket-dir"/),
        });
      }
      expect(readdirSync(host.socketDir)).toEqual(before);
      expect(asked).toBe(0);
    } finally {
      await fake.stop();
    }
  },
);

hostileTest('the plugin does not call a socket of another user in a directory of root', async (host) => {
  const fake = await startFakeDaemon(host.socket, () => undefined);
  chownSync(host.socket, nobody, nobody);
  try {
    expect(failure(await host.call('ADD'))).toMatchObject({
      code: 7,
      msg: expect.stringContaining(`${host.socket} belongs to uid 65534`),
    });
  } finally {
    await fake.stop();
  }
});

hostileTest('a DEL without a daemon follows no link to where its note should be', async (host, victim) => {
  mkdirSync(host.socketDir);
  const link = join(host.socketDir, 'infoblox.owed');
  symlinkSync(victim, link);
  lchownSync(link, nobody, nobody);
  expect(failure(await host.call('DEL'))).toMatchObject({
    code: 11,
    msg: expect.stringContaining(`cannot be recorded for later: ${link} belongs to uid 65534`),
  });
});

hostileTest(
  'the daemon does not start in a directory of another user, and touches nothing there',
  async (host, victim) => {
    const notes = join(host.socketDir, 'infoblox.owed');
    mkdirSync(notes, { recursive: true });
    writeFileSync(join(notes, note('c1')), 'no note');
    symlinkSync(join(victim, 'file'), host.socket);
    for (const path of [host.socketDir, notes]) chownSync(path, nobody, nobody);
    const start = DaemonProcess.start(host.flags, { WAPI_PASSWORD: 'infoblox' });
    await expect(start).rejects.toThrow(
      `cannot use --socket-dir ${host.socketDir}: ${host.socketDir} belongs to uid 65534, not to root. Run chown root ${host.socketDir}`,
    );
    expect(readdirSync(notes)).toEqual([note('c1')]);
    expect(lstatSync(host.socket).isSymbolicLink()).toBe(true);
  },
);

hostileTest('the daemon does not keep its state in a directory of another user', async (host) => {
  mkdirSync(host.stateDir);
  chownSync(host.stateDir, nobody, nobody);
  const start = DaemonProcess.start(host.flags, { WAPI_PASSWORD: 'infoblox' });
  await expect(start).rejects.toThrow(`${host.stateDir} belongs to uid 65534, not to root`);
  expect(readdirSync(host.stateDir)).toEqual([]);
});

hostileTest(
  'pipes, endless and huge files and forged notes neither block nor deceive the daemon',
  async (host, victim) => {
    await host.start();
    await host.add('alive');
    await host.daemon.stop();
    const notes = join(host.socketDir, 'infoblox.owed');
    writeFileSync(join(notes, note('alive')), forgedNote('alive', host));
    chownSync(join(notes, note('alive')), nobody, nobody);
    execFileSync('mkfifo', [join(notes, note('pipe'))]);
    symlinkSync('/dev/zero', join(notes, note('endless')));
    symlinkSync(join(victim, 'file'), join(notes, note('link')));
    writeFileSync(join(notes, note('huge')), '');
    truncateSync(join(notes, note('huge')), 700 * 1024 * 1024);

    await host.start();
    const left = () => readdirSync(notes).filter((name) => name !== '.epoch');
    await until('all are set aside', () => left().every((name) => name.endsWith('.unreadable')));
    expect(left()).toHaveLength(5);
    const check = await host.call('CHECK', {
      containerId: 'alive',
      config: { prevResult: { ips: [{ address: '10.0.0.2/24' }] } },
    });
    expect(check).toMatchObject({ exitCode: 0 });
    expect(check.milliseconds).toBeLessThan(5_000);
    const status = readFileSync(`/proc/${host.daemon.pid}/status`, 'utf8');
    expect(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1])).toBeLessThan(250 * 1024);
  },
);
