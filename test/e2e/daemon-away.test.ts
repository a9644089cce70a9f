/** Whatever listens at the daemon's socket, or if nothing does, every command ends in time, and no release is lost. */
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, test as base, beforeAll, describe, expect } from 'vitest';
import { acceptedFrame, answerFrame, takenFrame } from '../../src/modes/protocol.ts';
import { type FakeDaemon, startFakeDaemon } from '../fixture/fake-daemon.ts';
import { until } from '../fixture/host.ts';
import { type Grid, startGrid } from '../simulator/grid.ts';
import { BuiltHost, type Command, failure } from './built-host.ts';

let grid: Grid;

beforeAll(async () => {
  grid = await startGrid();
});
afterAll(async () => {
  await grid?.stop();
});

/** Each test has a host of its own, so that those that mostly wait can run in parallel. `listen` starts a server in place of its daemon. */
const test = base
  .extend('host', async ({ task: _task }, { onCleanup }) => {
    const host = new BuiltHost(grid);
    onCleanup(() => host.dispose());
    return host;
  })
  .extend('listen', async ({ host }, { onCleanup }) => {
    let fake: FakeDaemon | undefined;
    onCleanup(() => fake?.stop());
    return async (serve: (socket: Socket) => void) => {
      await fake?.stop();
      fake = await startFakeDaemon(host.socket, serve);
    };
  });

const withResult = { config: { prevResult: { ips: [{ address: '10.0.0.2/24' }] } } };

function notes({ socketDir }: BuiltHost): string[] {
  return readdirSync(join(socketDir, 'infoblox.owed')).filter((name) => name.endsWith('.json'));
}

describe('without a daemon', () => {
  test.for<[Command, number, number]>([
    // ADD waits for two seconds, as a daemon may be starting.
    ['ADD', 11, 3_500],
    ['CHECK', 11, 1_000],
    ['GC', 11, 1_000],
    ['STATUS', 50, 1_000],
  ])(
    '%s reports the missing socket with a hint, with code %i within %i ms',
    async ([command, code, limit], { host }) => {
      const call = await host.call(command, withResult);
      expect(failure(call)).toEqual({
        cniVersion: '1.1.0',
        code,
        msg: `infoblox-cni-daemon is not running: nothing listens at ${host.socket}`,
        details: expect.stringContaining('systemctl start infoblox-cni-daemon'),
      });
      expect(call.milliseconds).toBeLessThan(limit);
    },
  );

  test('the socket of a dead daemon counts as missing', async ({ host }) => {
    await host.start();
    await host.daemon.kill();
    expect(failure(await host.call('ADD'))).toMatchObject({ code: 11, msg: expect.stringContaining(host.socket) });
  });

  test('the error names a driver name without a daemon', async ({ host }) => {
    const { msg, details } = failure(await host.call('ADD', { ipam: { type: 'infobloks' } }));
    expect(msg).toContain(join(host.socketDir, 'infobloks.sock'));
    expect(details).toContain('--driver-name');
  });

  test('an ADD while the daemon is restarted succeeds', async ({ host }) => {
    await host.start();
    // A restart would take longer than an ADD waits on a busy machine. During one, the daemon does not run and has no socket, either.
    process.kill(host.daemon.pid, 'SIGSTOP');
    renameSync(host.socket, `${host.socket}.away`);
    const adding = host.add('early');
    await new Promise((resolve) => setTimeout(resolve, 500));
    renameSync(`${host.socket}.away`, host.socket);
    process.kill(host.daemon.pid, 'SIGCONT');
    expect(await adding).toBe('10.0.0.2');
  });

  test('DEL succeeds, and the daemon carries it out at its start', async ({ host }) => {
    await host.start();
    await host.add('owed');
    await host.daemon.stop();
    const call = await host.call('DEL', { containerId: 'owed' });
    expect(call).toMatchObject({
      exitCode: 0,
      stdout: '',
      stderr: expect.stringContaining('release recorded; the daemon will retry it'),
    });
    expect(call.milliseconds).toBeLessThan(1_800);
    expect(notes(host)).toHaveLength(1);
    expect(grid.fixedAddresses().map((object) => object.comment)).toContainEqual(expect.stringContaining('owed'));

    await host.start();
    await until('the address is given back', () => !grid.fixedAddresses().some((it) => it.comment?.includes('owed')));
    await until('the note is gone', () => notes(host).length === 0);
  });

  test('DEL fails with 11 in a directory that no daemon has used, and makes no note, which no daemon would read', async ({
    host,
  }) => {
    const before = readdirSync(host.directory);
    for (const wrong of [join(host.directory, 'rum'), host.directory]) {
      const call = await host.call('DEL', { ipam: { 'socket-dir': wrong } });
      expect(failure(call)).toMatchObject({
        code: 11,
        msg: expect.stringContaining(`cannot be recorded for later: no daemon called infoblox has used ${wrong}`),
        details: expect.stringContaining('--socket-dir'),
      });
    }
    expect(readdirSync(host.directory)).toEqual(before);
  });

  test('DEL fails if even a note cannot be written, so that the runtime retries it', async ({ host }) => {
    writeFileSync(join(host.directory, 'file'), '');
    const call = await host.call('DEL', { ipam: { 'socket-dir': join(host.directory, 'file', 'run') } });
    expect(failure(call)).toMatchObject({ code: 11, msg: expect.stringContaining('cannot be recorded for later') });
  });
});

test.concurrent('a daemon that is paused beyond the plugin’s time-out releases the address of the ADD when it continues', async ({
  host,
}) => {
  await host.start();
  await host.daemon.says('grid available');
  process.kill(host.daemon.pid, 'SIGSTOP');
  try {
    expect(failure(await host.call('ADD', { containerId: 'late' }))).toMatchObject({ code: 11 });
    expect(failure(await host.call('ADD', { containerId: 'late' }))).toMatchObject({ code: 11 });
  } finally {
    process.kill(host.daemon.pid, 'SIGCONT');
  }
  await host.add('after');
  await host.daemon.stop();
  await host.start();
  const left = () => grid.fixedAddresses().filter(({ comment }) => comment?.includes('container=late '));
  const isRead = () => !readdirSync(join(host.socketDir, 'infoblox.owed')).some((one) => one.endsWith('.unanswered'));
  await until('nothing is left of it', () => isRead() && left().length === 0);
  expect((await host.call('DEL', { containerId: 'after' })).exitCode).toBe(0);
});

describe.concurrent('a faulty server in place of the daemon', () => {
  describe.each<[string, (socket: Socket) => void, string]>([
    ['closes the connection', (socket) => socket.end(), 'ended the connection without an answer'],
    ['drops the connection', (socket) => socket.destroy(), ''],
    [
      'answers garbage',
      (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
      'is not a compatible infoblox-cni-daemon',
    ],
    ['answers with an invalid result', (socket) => socket.end(answerFrame({ result: 'yes' })), 'is not a compatible'],
    ['answers other JSON', (socket) => socket.end('[1]\n'), 'is not a compatible infoblox-cni-daemon'],
    ['answers half a document', (socket) => socket.end('{"jsonrpc":"2.0","id":1,"resu'), ''],
    ['answers endlessly', (socket) => flood(socket), 'is not a compatible infoblox-cni-daemon'],
  ])('%s', (_, serve, why) => {
    test('makes ADD and CHECK fail with 11, DEL leave a note, and STATUS fail with 50, all but ADD at once', async ({
      host,
      listen,
    }) => {
      await listen(serve);
      for (const [command, code] of [['ADD', 11] as const, ['CHECK', 11] as const, ['STATUS', 50] as const]) {
        const call = await host.call(command, withResult);
        const { code: given, msg, details } = failure(call);
        expect({ command, code: given, details: details !== undefined }).toEqual({ command, code, details: true });
        expect(msg).toContain(host.socket);
        expect(msg).toContain(why);
        expect(call.milliseconds).toBeLessThan(command === 'ADD' ? 3_500 : 1_500);
      }
      expect(await host.call('DEL')).toMatchObject({ exitCode: 0, stdout: '' });
      expect(notes(host)).toHaveLength(1);
    });
  });

  test('that accepts an ADD and ends makes the plugin leave a note, but not if it did not accept it', async ({
    host,
    listen,
  }) => {
    const unanswered = () =>
      readdirSync(join(host.socketDir, 'infoblox.owed')).filter((one) => one.endsWith('.unanswered'));
    expect(failure(await host.call('ADD'))).toMatchObject({
      code: 11,
      msg: expect.stringContaining('nothing listens'),
    });
    expect(unanswered).toThrow('ENOENT');
    await listen((socket) => socket.end(acceptedFrame(1_000)));
    const { code, msg } = failure(await host.call('ADD'));
    expect({ code, msg }).toEqual({
      code: 11,
      msg: `the daemon at ${host.socket} ended the connection without an answer`,
    });
    const [name = ''] = unanswered();
    expect(JSON.parse(readFileSync(join(host.socketDir, 'infoblox.owed', name), 'utf8'))).toMatchObject({
      method: 'ADD',
      params: { callId: name.replace('.unanswered', ''), containerId: 'c1', ifName: 'eth0' },
    });
    await listen(refusal(11));
    expect(failure(await host.call('ADD'))).toMatchObject({ code: 11 });
    expect(unanswered()).toHaveLength(1);
  });

  test('that answers with a gateway outside the network makes the ADD fail, and may release the address', async ({
    host,
    listen,
  }) => {
    const result = { cniVersion: '1.1.0', ips: [{ address: '10.0.0.2/24', gateway: '192.0.2.1' }] };
    let heard = '';
    await listen((socket) => {
      socket.on('data', (chunk) => {
        heard += chunk.toString();
      });
      socket.write(acceptedFrame(1_000) + answerFrame({ result }));
    });
    expect(failure(await host.call('ADD'))).toMatchObject({
      code: 11,
      msg: expect.stringContaining('not a compatible'),
    });
    expect(heard).not.toContain(takenFrame);
  });

  test('that sends terminal control characters has them escaped on stdout and stderr', async ({ host, listen }) => {
    const message = 'red \u001b[31m, a\nline, back\u202ewards';
    const shown = 'red \\u001b[31m, a\\nline, back\\u202ewards';
    await listen((socket) => socket.end(answerFrame({ error: { code: 100, message, data: { details: message } } })));
    expect(failure(await host.call('ADD'))).toMatchObject({ msg: shown, details: shown });
    expect((await host.call('DEL')).stderr).toBe(`${shown}; release recorded; the daemon will retry it\n`);
  });

  const refusal = (code: number) => (socket: Socket) => {
    socket.end(answerFrame({ error: { code, message: `failed with ${code}` } }));
  };

  test.for([5, 11, 100])(
    'that fails with %i, a failure of its own, makes DEL leave a note',
    async (code, { host, listen }) => {
      await listen(refusal(code));
      const call = await host.call('DEL');
      expect(call).toMatchObject({ exitCode: 0, stdout: '', stderr: expect.stringContaining(`failed with ${code}; `) });
      expect(notes(host)).toHaveLength(1);
    },
  );

  test.for([1, 4, 6, 7])(
    'that fails with %i, a failure of its caller, makes DEL fail, too',
    async (code, { host, listen }) => {
      await listen(refusal(code));
      expect(failure(await host.call('DEL'))).toMatchObject({ code, msg: `failed with ${code}` });
      expect(() => notes(host)).toThrow('ENOENT');
    },
  );

  test('that hangs makes every command end after three seconds, DEL with success', async ({ host, listen }) => {
    await listen(() => {});
    const codes = { STATUS: 50, CHECK: 11, GC: 11, ADD: 11 } as const;
    const calls = (Object.keys(codes) as (keyof typeof codes)[]).map(async (command) => {
      const call = await host.call(command, { ...withResult, containerId: command });
      expect(failure(call)).toMatchObject({
        code: codes[command],
        msg: `the daemon at ${host.socket} did not accept the call within 3 s`,
        details: expect.stringContaining('systemctl restart infoblox-cni-daemon'),
      });
      expect(call.milliseconds).toBeGreaterThan(2_900);
      expect(call.milliseconds).toBeLessThan(4_500);
    });
    const del = await host.call('DEL');
    expect(del).toMatchObject({ exitCode: 0, stdout: '' });
    expect(del.milliseconds).toBeLessThan(4_500);
    expect(notes(host)).toHaveLength(1);
    await Promise.all(calls);
  });

  // For the other time-outs see test/integration/modes/daemon-client.test.ts.
  test('that accepts and never answers makes STATUS and DEL end at their own limits, DEL with success', async ({
    host,
    listen,
  }) => {
    await listen((socket) => socket.write(acceptedFrame(60_000)));
    const [status, del] = await Promise.all([host.call('STATUS'), host.call('DEL')]);
    expect(failure(status)).toMatchObject({ code: 50, msg: expect.stringContaining('did not answer in time') });
    expect(status.milliseconds).toBeGreaterThan(4_900);
    expect(status.milliseconds).toBeLessThan(6_500);
    expect(del).toMatchObject({ exitCode: 0, stdout: '' });
    expect(del.milliseconds).toBeGreaterThan(4_400);
    expect(del.milliseconds).toBeLessThan(5_000);
    expect(notes(host)).toHaveLength(1);
  });
});

function flood(socket: Socket): void {
  const more = () => {
    while (!socket.destroyed && socket.write('x'.repeat(65_536)));
  };
  socket.on('drain', more);
  more();
}
