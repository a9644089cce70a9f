import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ReleaseNotes } from '../../../src/modes/daemon/release-notes.ts';
import { type Call, owedDir, protocolVersion } from '../../../src/modes/protocol.ts';
import { leaveReleaseNote } from '../../../src/modes/release-note.ts';
import { until } from '../../fixture/host.ts';
import { errorOf, held, useGridAndHost } from '../../infoblox/grid-and-host.ts';

let socketDir: string;
let released: string[];
let problems: string[];
let release: (call: Call) => Promise<void>;
let notes: ReleaseNotes;

function call(containerId: string, over: Partial<Call> = {}): Call {
  return {
    ...{ protocol: protocolVersion, release: 'test', containerId, ifName: 'eth0', netns: '', args: '' },
    config: { cniVersion: '1.1.0', name: 'net-1', ipam: { type: 'infoblox' } },
    ...over,
  };
}

const leave = (containerId: string, over: Partial<Call> = {}) =>
  leaveReleaseNote(socketDir, 'infoblox', 'net-1', call(containerId, over));
const files = () => readdirSync(owedDir(socketDir, 'infoblox'));

beforeEach(() => {
  socketDir = mkdtempSync(join(tmpdir(), 'infoblox-cni-notes-'));
  released = [];
  problems = [];
  release = async ({ containerId }) => {
    released.push(containerId);
  };
  const complain = (message: string) => {
    problems.push(message);
  };
  notes = new ReleaseNotes({
    ...{ socketDir, driverName: 'infoblox', releaseLater: (one) => release(one) },
    log: { error: complain, warn: complain, info: () => undefined, debug: () => undefined },
  });
});
afterEach(() => {
  rmSync(socketDir, { recursive: true, force: true });
});

describe('notes', () => {
  test('are taken over and removed; one attachment has one', async () => {
    leave('c1');
    leave('c1');
    leave('c2');
    expect(files()).toHaveLength(2);
    await notes.takeAll();
    expect(released.sort()).toEqual(['c1', 'c2']);
    expect(files()).toEqual([]);
  });

  test('of other attachments wait when one is asked for', async () => {
    leave('c1');
    leave('c2');
    await notes.takeOf({ network: 'net-1', containerId: 'c1', ifName: 'eth0' });
    await notes.takeOf({ network: 'net-1', containerId: 'c9', ifName: 'eth0' });
    expect(released).toEqual(['c1']);
    expect(files()).toHaveLength(1);
  });

  test('are taken over once, however often they are asked for at once', async () => {
    leave('c1');
    leave('c2');
    await Promise.all([notes.takeAll(), notes.takeAll()]);
    expect(released).toHaveLength(2);
    leave('c1');
    await notes.takeAll();
    expect(released).toHaveLength(3);
  });

  test('of one attachment are taken, absent or unreadable when it is asked for; else it says why not', async () => {
    const attachment = { network: 'net-1', containerId: 'c1', ifName: 'eth0' };
    leave('c1', { protocol: 99 });
    await expect(notes.takeOf(attachment)).rejects.toMatchObject({ code: 11 });
    leave('c1');
    const good = release;
    release = () => Promise.reject(new Error('disk full'));
    await expect(notes.takeOf(attachment)).rejects.toMatchObject({
      code: 11,
      message: 'an earlier release of this attachment is noted and cannot be taken over yet: disk full',
      details: expect.stringContaining('infoblox.owed'),
    });
    expect(files()).toHaveLength(1);
    release = good;
    await notes.takeOf(attachment);
    expect(files()).toEqual([]);
    await notes.takeOf(attachment);
    leave('c1');
    const [name = ''] = files();
    writeFileSync(join(owedDir(socketDir, 'infoblox'), name), 'garbage');
    await notes.takeOf(attachment);
    expect(files()).toEqual([`${name}.unreadable`]);
    expect(released).toEqual(['c1']);
  });

  test('stay when the release cannot be noted, and are taken the next time', async () => {
    leave('c1');
    const good = release;
    release = () => Promise.reject(new Error('disk full'));
    await notes.takeAll();
    expect(files()).toHaveLength(1);
    expect(problems).toEqual(['cannot take over a release note yet']);
    release = good;
    await notes.takeAll();
    expect(released).toEqual(['c1']);
    expect(files()).toEqual([]);
  });

  test('that cannot be read are set aside, and do not stand in the way of others', async () => {
    leave('c1');
    const [name = ''] = files();
    writeFileSync(join(owedDir(socketDir, 'infoblox'), name), '{"jsonrpc":');
    leave('c2');
    await notes.takeAll();
    expect(released).toEqual(['c2']);
    expect(files()).toEqual([`${name}.unreadable`]);
    expect(problems).toEqual(['set a release note aside that cannot be read']);
  });

  test('of another protocol stay, for the release that understands them', async () => {
    leave('c1', { protocol: 99 });
    await notes.takeAll();
    expect(released).toEqual([]);
    expect(files()).toHaveLength(1);
  });

  test('that are being written are not looked at', async () => {
    leave('c1');
    writeFileSync(join(owedDir(socketDir, 'infoblox'), '.draft.json.17'), 'half');
    await notes.takeAll();
    expect(files()).toEqual(['.draft.json.17']);
    expect(problems).toEqual([]);
  });

  test('that were never finished are removed when nobody can be writing them any more', async () => {
    leave('c1');
    const draft = join(owedDir(socketDir, 'infoblox'), '.draft.json.17');
    writeFileSync(draft, 'half');
    const longAgo = Date.now() / 1000 - 61;
    utimesSync(draft, longAgo, longAgo);
    await notes.takeAll();
    expect(files()).toEqual([]);
    expect(problems).toEqual([]);
  });

  test('that never were are no trouble', async () => {
    rmSync(socketDir, { recursive: true });
    await notes.takeAll();
    expect(problems).toEqual([]);
  });

  test('survive names that mean something to a file system', async () => {
    leave('..', { ifName: 'a\u0001b' });
    await notes.takeAll();
    expect(released).toEqual(['..']);
  });
});

describe('in the daemon', () => {
  const fixture = useGridAndHost();

  test('a note left while it was down is settled at its start', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await host.add('c2');
    await host.stop();
    leaveReleaseNote(host.socketDir, 'infoblox', 'net-1', call('c1', { config: host.config() }));
    await host.start();
    await until('the address has gone back', () => held(grid).length === 2);
    expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.3']);
  });

  test('a note is settled before an ADD of the same attachment, so that it cannot undo it', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    leaveReleaseNote(host.socketDir, 'infoblox', 'net-1', call('c1', { config: host.config() }));
    const address = await host.add('c1');
    expect(readdirSync(owedDir(host.socketDir, 'infoblox'))).toEqual([]);
    expect(held(grid)).toContain(address);
  });

  test('a note that cannot be taken over yet keeps an ADD of the same attachment from being answered', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    const later = call('c1', { config: host.config(), protocol: 99 });
    leaveReleaseNote(host.socketDir, 'infoblox', 'net-1', later);
    expect(await errorOf(host.add('c1'))).toMatchObject({
      code: 11,
      msg: expect.stringMatching(/is noted and cannot be taken over yet: the plugin .* speaks protocol 99/),
    });
    await host.add('c2');
    expect(held(grid)).toHaveLength(3);
  });

  test('a note that waits for its turn does not hold an ADD longer than --add-timeout', async () => {
    const { grid, another } = fixture;
    const host = await another({ node: 'host-b', flags: ['--add-timeout=1s'] }).start();
    await host.add('c1');
    const notes = vi.spyOn(ReleaseNotes.prototype, 'takeOf').mockReturnValue(new Promise(() => undefined));
    try {
      const begin = performance.now();
      expect(await errorOf(host.add('c1'))).toMatchObject({
        code: 11,
        msg: 'an earlier release of this attachment was not settled in the time for one ADD',
      });
      expect(performance.now() - begin).toBeLessThan(3_000);
      expect(held(grid)).toContain('10.0.0.2');
    } finally {
      notes.mockRestore();
    }
  });
});
