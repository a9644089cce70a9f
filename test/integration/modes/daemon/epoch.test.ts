/** A restored or copied state is distinguished from the one that the last daemon of this boot wrote. */
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { owedDir } from '../../../../src/modes/protocol.ts';
import { until } from '../../../fixture/host.ts';
import { held, useGridAndHost } from '../../infoblox/grid-and-host.ts';

let bootId: string;
let isFull: boolean;
const aroundCommit = (commit: () => void) => {
  if (isFull) throw new Error('disk is full');
  commit();
};
const fixture = useGridAndHost({}, { bootId: () => bootId, aroundCommit });
beforeEach(() => {
  bootId = 'boot-1';
  isFull = false;
});

const stateDir = () => join(fixture.host.directory, 'state');
const backup = () => join(fixture.host.directory, 'backup');
const epochFile = () => join(owedDir(fixture.host.socketDir, 'infoblox'), '.epoch');
const epochs = () => JSON.parse(readFileSync(epochFile(), 'utf8')).epochs;
const setAside = () => readdirSync(stateDir()).filter((name) => name.startsWith('state.db.'));

/** Stops the daemon, runs `work`, and starts it again. */
async function restart(meanwhile: () => void = () => undefined): Promise<void> {
  const { host } = fixture;
  await host.stop();
  meanwhile();
  await host.start();
}

const save = () => cpSync(stateDir(), backup(), { recursive: true });
function putBack(): void {
  rmSync(stateDir(), { recursive: true });
  cpSync(backup(), stateDir(), { recursive: true });
}

describe('a restored state', () => {
  test('within one boot is set aside, and releases no address in use', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    await grid.pause();
    await host.call('DEL', 'c1');
    await restart(save);
    await grid.resume();
    await until('the release is carried out', () => held(grid).join() === '10.0.0.1');
    const address = await host.add('c1');
    await restart(putBack);
    expect(host.log.find(({ message }) => message.startsWith('state file set aside'))).toMatchObject({
      level: 'error',
      details: {
        reason: expect.stringMatching(/^it was restored from a backup, or copied/),
        file: expect.stringMatching(/state\.db\.copied-\d+$/),
      },
    });
    await until('it has imported', () => host.log.some(({ message }) => message.startsWith('imported the reserv')));
    expect(held(grid)).toEqual(['10.0.0.1', address]);
    expect(await host.add('c1')).toBe(address);
  });

  test('that was saved while the daemon ran is set aside, too', async () => {
    await fixture.host.add('c1');
    save();
    await restart(putBack);
    expect(setAside()).toHaveLength(1);
  });

  test('in another boot is used, as nothing reveals it', async () => {
    await restart(save);
    await restart(() => {
      putBack();
      bootId = 'boot-2';
    });
    expect(setAside()).toEqual([]);
    await restart();
    expect(setAside()).toEqual([]);
  });
});

test('a copy that served in place of the original makes the original count as the copy', async () => {
  const { host } = fixture;
  await restart(save);
  await host.stop();
  host.flags.push(`--state-dir=${backup()}`);
  await host.start();
  expect(readdirSync(backup()).filter((name) => name.includes('.copied-'))).toHaveLength(1);
  await host.stop();
  host.flags.pop();
  await host.start();
  expect(setAside()).toHaveLength(1);
});

describe('a valid state stays in use', () => {
  test('across restarts, each with its own epoch, which only root can read', async () => {
    const seen = new Set<string>();
    for (let n = 0; n < 3; n += 1) {
      await restart();
      seen.add(epochs().join());
    }
    expect([seen.size, setAside()]).toEqual([3, []]);
    expect(statSync(epochFile()).mode & 0o777).toBe(0o600);
  });

  test('when its epoch could not be renewed, even if the next one was partly written', async () => {
    await fixture.host.stop();
    isFull = true;
    await fixture.host.start();
    expect(epochs()).toHaveLength(2);
    await fixture.host.stop();
    isFull = false;
    await fixture.host.start();
    expect([epochs().length, setAside()]).toEqual([1, []]);
  });

  test.each([
    ['is gone', () => rmSync(epochFile())],
    ['cannot be read', () => writeFileSync(epochFile(), '{"bootId": "boot-1", "epo')],
    [
      'can be written by others',
      () => {
        writeFileSync(epochFile(), '{"bootId":"boot-1","epochs":[]}');
        chmodSync(epochFile(), 0o666);
      },
    ],
  ])('when the file beside the socket %s', async (_, change) => {
    await restart(change);
    expect(setAside()).toEqual([]);
  });

  test('when it has served at another socket in between', async () => {
    const { host } = fixture;
    await host.stop();
    host.flags.push('--driver-name=other');
    await host.start();
    await host.stop();
    host.flags.pop();
    await host.start();
    expect(setAside()).toEqual([]);
  });
});
