import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseFlags } from '../../../../src/modes/daemon/config/command-line.ts';
import { readOptions } from '../../../../src/modes/daemon/config/options.ts';
import { startDaemon } from '../../../../src/modes/daemon/daemon.ts';
import { StartError } from '../../../../src/modes/daemon/start-error.ts';
import { Host, until } from '../../../fixture/host.ts';
import { ManualClock } from '../../../fixture/manual-clock.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { errorOf, held } from '../../infoblox/grid-and-host.ts';

let grid: Grid;
const hosts: Host[] = [];

function host(...flags: string[]): Host {
  const made = new Host(grid, { flags });
  hosts.push(made);
  return made;
}

/** Starts another daemon with the flags of a host and additional ones. */
const start = (of: Host, ...flags: string[]) => startDaemon(optionsOf(of, ...flags), quiet);
const optionsOf = (of: Host, ...flags: string[]) => readOptions(parseFlags([...of.flags, ...flags]), {});

const nothing = () => undefined;
const quiet = { error: nothing, warn: nothing, info: nothing, debug: nothing };

const logged = (of: Host, text: string) => of.log.some(({ message }) => message.includes(text));

beforeEach(async () => {
  grid = await startGrid();
});
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((one) => one.dispose()));
  await grid.stop();
});

describe('a daemon', () => {
  test('listens at a socket for root alone and logs its path', async () => {
    const one = await host().start();
    expect(statSync(one.socket).mode & 0o777).toBe(0o600);
    expect(one.log[0]).toMatchObject({
      level: 'info',
      message: 'listening',
      details: { socket: one.socket, grid: '127.0.0.1', node: 'host-a', bound: 0, releasing: 0 },
    });
  });

  test('starts during an outage, reports it, and serves as soon as the grid is back', async () => {
    await grid.pause();
    const one = await host().start();
    await until('it has said so', () => logged(one, 'grid unavailable'));
    expect(one.log.find(({ message }) => message === 'grid unavailable')?.details).toMatchObject({
      reason: 'unreachable',
      error: expect.stringContaining('cannot connect'),
      hint: expect.any(String),
    });
    await grid.resume();
    await until('it has noticed', () => logged(one, 'grid available'));
    expect(await one.add('c1')).toBe('10.0.0.2');
  });

  test('starts with a wrong password, tries it once, and recovers when the file is corrected', async () => {
    const file = join(host().directory, 'password');
    writeFileSync(file, 'wrong');
    const one = host('--wapi-password=', `--wapi-password-file=${file}`);
    await one.start();
    await until('it has said so', () => logged(one, 'grid unavailable'));
    const failures = await Promise.all(['c1', 'c2', 'c3'].map((name) => errorOf(one.add(name))));
    for (const failure of failures)
      expect(failure).toMatchObject({ code: 103, details: expect.stringMatching(/next attempt in/) });
    expect(grid.requests.map(({ status }) => status)).toEqual([401]);
    writeFileSync(file, 'infoblox\n');
    expect(await one.add('c1')).toBe('10.0.0.2');
    expect(logged(one, 'grid available')).toBe(true);
    expect(JSON.stringify(one.log)).not.toMatch(/wrong|"infoblox"/);
  });

  test('completes the calls in flight before it stops, and leaves no socket', async () => {
    const one = await host().start();
    await one.add('c0');
    const create = grid.hold({ method: 'POST' });
    const added = one.add('c1');
    await create.arrived;
    const stopped = one.stop();
    create.release();
    expect(await added).toBe('10.0.0.3');
    await stopped;
    expect(existsSync(one.socket)).toBe(false);
    expect(await errorOf(one.add('c2'))).toMatchObject({ code: 11, msg: expect.stringContaining('is not running') });
  });

  test('that starts where another one listens is refused, and does not disturb it', async () => {
    const one = await host().start();
    await expect(start(one, '--state-dir=/var/lib/none')).rejects.toThrow(/another daemon listens at .*infoblox\.sock/);
    expect(await one.add('c1')).toBe('10.0.0.2');
  });

  test('that starts on the state of another one is refused', async () => {
    const one = await host().start();
    const attempt = start(one, `--socket-dir=${join(one.directory, 'other')}`);
    await expect(attempt).rejects.toThrow(StartError);
    await expect(attempt).rejects.toThrow(/state\.db: another daemon is using it\. .*--state-dir of its own\.$/);
    expect(await one.add('c1')).toBe('10.0.0.2');
  });

  test('cannot start without a place for its state', async () => {
    const one = host();
    writeFileSync(join(one.directory, 'file'), '');
    await expect(start(one, `--state-dir=${join(one.directory, 'file', 'state')}`)).rejects.toThrow(StartError);
  });

  test('with a damaged state sets it aside, reports it, and imports its leases from the grid', async () => {
    const one = await host().start();
    const address = await one.add('c1');
    await one.stop();
    const state = join(one.directory, 'state');
    writeFileSync(join(state, 'state.db'), 'damaged '.repeat(1_000));
    await one.start();
    expect(one.log.find(({ level }) => level === 'error')?.message).toContain('set aside');
    expect(readdirSync(state).some((name) => name.includes('.unreadable-'))).toBe(true);
    await until('it has read back', () => logged(one, 'imported the reservations of this host'));
    expect(await one.add('c1')).toBe(address);
    expect(held(grid)).toHaveLength(2);
  });

  test('whose state is found damaged in use exits, and logs why', async () => {
    const one = host();
    const corruption = Object.assign(new Error('database disk image is malformed'), { errcode: 11 });
    let isDamaged = false;
    const aroundCommit = (commit: () => void) => {
      if (isDamaged) throw corruption;
      commit();
    };
    const clock = new ManualClock();
    const daemon = await startDaemon(optionsOf(one), quiet, { aroundCommit, clock });
    isDamaged = true;
    expect(await errorOf(one.call('ADD', 'c1'))).toMatchObject({ code: 5 });
    await clock.advance(5_000);
    const loss = await daemon.lost;
    expect(loss.message).toMatch(/the state file is damaged.*malformed.*restart the daemon/is);
    isDamaged = false;
    await daemon.stop();
  });

  test('serves the plugin under the given driver name', async () => {
    const one = host('--driver-name=ibx');
    await one.start();
    expect(existsSync(join(one.socketDir, 'ibx.sock'))).toBe(true);
    expect(existsSync(join(one.socketDir, 'ibx.owed'))).toBe(true);
  });

  test('takes view, container and prefix length from its flags if the configuration has none', async () => {
    const one = host('--network-view=flags', '--network-container=10.50.0.0/16', '--prefix-length=27');
    await one.start();
    expect(await one.add('c1', { ipam: { subnet: undefined, gateway: undefined } })).toBe('10.50.0.1');
    expect(grid.networks()).toMatchObject([{ network: '10.50.0.0/27', network_view: 'flags' }]);
  });

  test('ends an ADD in its time if the grid does not answer', async () => {
    const one = host('--add-timeout=3s');
    await one.start();
    await one.add('c0');
    grid.inject({ method: 'POST', effect: { kind: 'hang' } });
    const begin = performance.now();
    expect(await errorOf(one.add('c1'))).toMatchObject({ code: 11 });
    expect(performance.now() - begin).toBeLessThan(4_500);
  });

  test('accepts an existing directory of its own', async () => {
    const one = host();
    mkdirSync(join(one.directory, 'state'));
    mkdirSync(one.socketDir);
    await one.start();
    expect(await one.add('c1')).toBe('10.0.0.2');
  });
});
