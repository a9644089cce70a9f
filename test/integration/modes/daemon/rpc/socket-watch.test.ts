/** A daemon whose socket is removed while it runs can be reached again before long, and says when it cannot. */
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { prepareSocket } from '../../../../../src/modes/daemon/rpc/socket-file.ts';
import { SocketWatch } from '../../../../../src/modes/daemon/rpc/socket-watch.ts';
import { StartError } from '../../../../../src/modes/daemon/start-error.ts';
import { owedDir } from '../../../../../src/modes/protocol.ts';
import { until } from '../../../../fixture/host.ts';
import { errorOf, held, useGridAndHost } from '../../../infoblox/grid-and-host.ts';

const again = 'the socket was removed or replaced; listening again';

describe('in the daemon', () => {
  const fixture = useGridAndHost();
  const heard = () => fixture.host.log.some((line) => line.message === again);

  test('a removed directory is made again with socket and notes; a call in flight is answered', async () => {
    const { grid, host } = fixture;
    await host.add('c1');
    const arrived = new Promise<void>((resolve) => {
      const when = () => {
        resolve();
        return true;
      };
      // Longer than the pause between two looks.
      grid.inject({ type: 'fixedaddress', method: 'POST', when, effect: { kind: 'delay', ms: 7_000 } });
    });
    const inFlight = host.add('c2');
    await arrived;
    rmSync(host.socketDir, { recursive: true });
    expect(await errorOf(host.call('STATUS', '', { limit: 500 }))).toMatchObject({ code: 11 });
    await until('it listens again', heard);
    const mode = (path: string) => statSync(path).mode & 0o777;
    expect(mode(host.socketDir)).toBe(0o755);
    expect([owedDir(host.socketDir, 'infoblox'), host.socket].map(mode)).toEqual([0o700, 0o600]);
    await host.add('c3');
    const address = await inFlight;
    expect(held(grid)).toContain(address);
    expect(held(grid)).toHaveLength(4);
  });

  test('a file in the place of the socket is replaced', async () => {
    const { host } = fixture;
    renameSync(host.socket, `${host.socket}.away`);
    writeFileSync(host.socket, '');
    await until('it listens again', heard);
    await host.add('c1');
  });
});

describe('looking', () => {
  let directory: string;
  let file: string;
  let listener: Server | undefined;
  let watch: SocketWatch;
  let lost: StartError[];
  let lines: string[];
  let listenAgain: () => Promise<void>;

  const listen = () =>
    new Promise<void>((resolve) => {
      listener?.close();
      rmSync(file, { force: true });
      listener = createServer().listen(file, resolve);
    });

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-watch-'));
    file = await prepareSocket(directory, 'infoblox');
    await listen();
    lost = [];
    lines = [];
    listenAgain = vi.fn(listen);
    const say = (message: string) => lines.push(message);
    watch = new SocketWatch({
      file,
      listenAgain: () => listenAgain(),
      onLost: (error) => lost.push(error),
      log: { error: say, warn: say, info: say, debug: say },
    });
  });
  afterEach(async () => {
    await watch.stop();
    listener?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test('leaves a socket alone that is in its place', async () => {
    await watch.look();
    await watch.look();
    expect(listenAgain).not.toHaveBeenCalled();
    expect(lines).toEqual([]);
  });

  test('another socket of that name is not taken for the own one', async () => {
    await listen();
    await watch.look();
    expect(listenAgain).toHaveBeenCalledTimes(1);
  });

  test('complains once while it cannot listen, and says so at the end; before that it recovers', async () => {
    const fail = () => Promise.reject(new StartError('the place is taken'));
    const mend = listenAgain;
    listenAgain = fail;
    rmSync(file);
    for (let attempt = 0; attempt < 2; attempt += 1) await watch.look();
    listenAgain = mend;
    await watch.look();
    expect(lines).toEqual(['the socket was removed or replaced, and the daemon cannot listen again', again]);
    expect(lost).toEqual([]);
    listenAgain = fail;
    rmSync(file);
    for (let attempt = 0; attempt < 9; attempt += 1) await watch.look();
    expect(lost).toEqual([new StartError('the place is taken')]);
    expect(lines).toHaveLength(3);
  });
});
