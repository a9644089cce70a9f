/** A state that is lost, damaged, of another release, full or in use. The reservations on the grid are enough to continue. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { Caller } from '../../fixture/calls.ts';
import { Host, until } from '../../fixture/host.ts';
import { rootTest } from '../../fixture/root.ts';
import { doubtWindow, pause, startWorld, type World } from '../../fixture/world.ts';
import type { RequestRecord } from '../../simulator/grid.ts';
import { worldTest } from './world-test.ts';

const stateDir = (world: World) => join(world.host.directory, 'state');

/** Stops the daemon, changes its state, starts it again, and waits until it has read the grid. */
async function restart({ host }: World, meanwhile: () => void): Promise<void> {
  await host.stop();
  meanwhile();
  host.log.length = 0;
  await host.start();
}

/** Checks a host after a lost state: live containers keep their addresses, and can be deleted and collected. */
async function carriesOn({ caller, ledger }: World): Promise<void> {
  expect(await caller.add('c1')).toBe('ok');
  expect(await caller.check('c2')).toBe('ok');
  expect(await caller.del('c2')).toBe('ok');
  caller.dies('c3');
  expect(await caller.gc(['c1'])).toBe('ok');
  await ledger.settled();
  expect(ledger.live).toHaveLength(1);
}

async function inhabit({ caller }: World): Promise<void> {
  for (const container of ['c1', 'c2', 'c3']) expect(await caller.add(container)).toBe('ok');
}

const damages: readonly [string, (directory: string) => void, boolean][] = [
  ['lost', (directory) => rmSync(directory, { recursive: true }), false],
  [
    'overwritten with noise',
    (directory) => writeFileSync(join(directory, 'state.db'), Buffer.alloc(9_000, 0xa5)),
    true,
  ],
  ['cut off in the middle', cutOff, true],
  ['of a newer release', ofNewerRelease, true],
  ['a table of something else', otherTables, true],
];

function cutOff(directory: string): void {
  rmSync(join(directory, 'state.db-wal'), { force: true });
  writeFileSync(join(directory, 'state.db'), 'SQLite format 3\0and no more');
}

function ofNewerRelease(directory: string): void {
  const database = new DatabaseSync(join(directory, 'state.db'));
  database.exec('PRAGMA user_version = 99');
  database.close();
}

function otherTables(directory: string): void {
  const database = new DatabaseSync(join(directory, 'state.db'));
  database.exec('DROP TABLE lease; CREATE TABLE lease (something TEXT)');
  database.close();
}

for (const [what, damage, setAside] of damages) {
  worldTest(`a state file that is ${what} loses nothing, as the leases are imported from the grid`, async (world) => {
    await inhabit(world);
    await restart(world, () => damage(stateDir(world)));
    const aside = readdirSync(stateDir(world)).filter((name) => name.includes('unreadable'));
    expect(aside.length > 0).toBe(setAside);
    await carriesOn(world);
  });
}

/** The hashes of DMI and machine ID on this machine and on another one. */
const machine = { installation: 'of-the-original', hardware: 'of-the-original' };
const otherMachine = { installation: 'of-the-clone', hardware: 'of-the-clone' };

/** Copies the state to a clone, which has none of the recorded namespaces. */
function cloneState(world: World, to: string): void {
  cpSync(stateDir(world), to, { recursive: true });
  const database = new DatabaseSync(join(to, 'state.db'));
  database.exec("UPDATE lease SET netns = '/proc/4194999/ns/net', bootId = 'of-the-original', bootedAt = 1");
  database.exec("UPDATE lease SET netnsId = '4:1'");
  database.close();
}

worldTest(
  'a clone with the state of a host spares the leases of the original',
  async (world) => {
    await inhabit(world);
    await world.host.stop();
    const flags = ['--reap-after=500ms'];
    const clone = new Host(world.grid, { doubtWindow, flags, node: 'clone', machine: otherMachine });
    cloneState(world, join(clone.directory, 'state'));
    await world.host.start();
    try {
      await clone.start();
      const notice = clone.log.find(({ message }) => message.includes('state file set aside'));
      expect(notice?.details).toMatchObject({
        foreign: true,
        reason: expect.stringContaining('DMI'),
        file: expect.stringContaining('foreign'),
      });
      const caller = new Caller(clone, world.ledger, 'clone');
      expect(await caller.add('c9')).toBe('ok');
      await pause(2_500);
      expect(await caller.gc(['c9'])).toBe('ok');
      await world.ledger.settled();
      expect(world.ledger.live).toHaveLength(4);
      await clone.stop();
      clone.log.length = 0;
      await clone.start();
      expect(clone.log.filter(({ message }) => message.includes('set aside'))).toEqual([]);
    } finally {
      await clone.dispose();
    }
  },
  { machine },
);

worldTest(
  'after a lost state during an outage calls fail with "try again", and no address is given twice',
  async (world) => {
    const { grid, caller, ledger } = world;
    await inhabit(world);
    await grid.pause();
    await restart(world, () => rmSync(stateDir(world), { recursive: true }));
    expect(await caller.del('c3')).toBe('ok');
    await grid.resume();
    await until('the grid serves', async () => (await caller.status()) === 'ok');
    await carriesOn(world);
    await ledger.settled();
  },
);

worldTest(
  'after a lost state during an outage a failed ADD does not release the address of an earlier one',
  async (world) => {
    const { grid, host, caller, ledger } = world;
    await inhabit(world);
    await grid.pause();
    await restart(world, () => rmSync(stateDir(world), { recursive: true }));
    expect(await caller.add('c1')).toBe(11);
    await grid.resume();
    await until('the state is whole', () => host.log.some(({ message }) => message.startsWith('imported')));
    await pause(2 * doubtWindow.end);
    expect(ledger.brokenNow()).toEqual([]);
    await carriesOn(world);
  },
);

worldTest('a DEL during the import leaves no lease behind', async (world) => {
  const { grid, host, caller, ledger } = world;
  await inhabit(world);
  const address = ledger.live[0]?.address;
  const isImport = ({ query }: RequestRecord) => 'comment~' in query;
  const { promise: deleted, resolve: answer } = Promise.withResolvers<void>();
  grid.inject({ method: 'GET', when: isImport, effect: { kind: 'answer-late', after: deleted } });
  grid.clearLog();
  await restart(world, () => rmSync(stateDir(world), { recursive: true }));
  await until('the grid is read', () => grid.requests.some(isImport));
  const deletion = caller.del('c1');
  await until('the DEL is answered', () => host.log.some(({ message }) => message === 'DEL'));
  answer();
  expect(await deletion).toBe('ok');
  await until('it has been imported', () => host.log.some(({ message }) => message.startsWith('imported')));
  expect(host.log).toContainEqual(
    expect.objectContaining({ message: expect.stringMatching(/^imported/), details: { count: 2 } }),
  );
  expect(await caller.add('c4')).toBe('ok');
  expect(ledger.live.at(-1)?.address).toBe(address);
  await ledger.settled();
});

worldTest('a DEL without the state finds the address in any view', async (world) => {
  const { grid, host } = world;
  await host.add('c1', { ipam: { 'network-view': 'theirs' } });
  grid.inject({ method: 'GET', when: ({ query }) => 'comment~' in query, effect: { kind: 'answer-late', after: 400 } });
  await restart(world, () => rmSync(stateDir(world), { recursive: true }));
  await host.del('c1');
  expect(grid.fixedAddresses('theirs').filter(({ comment }) => comment?.includes('container=c1 '))).toHaveLength(1);
});

worldTest('a second daemon neither takes the socket nor the state of the first', async (world) => {
  const { grid, host, caller } = world;
  const sameSocket = new Host(grid, { doubtWindow, flags: [`--socket-dir=${host.socketDir}`] });
  await expect(sameSocket.start()).rejects.toThrow('another daemon listens');
  const sameState = new Host(grid, { doubtWindow, flags: [`--state-dir=${stateDir(world)}`] });
  await expect(sameState.start()).rejects.toThrow('another daemon is using it');
  expect(await caller.add('c1')).toBe('ok');
  await sameSocket.dispose();
  await sameState.dispose();
});

test('an impossible state directory is an error at the start, with a hint', async () => {
  const world = await startWorld();
  writeFileSync(join(world.host.directory, 'file'), '');
  const host = new Host(world.grid, { doubtWindow, flags: [`--state-dir=${world.host.directory}/file/state`] });
  await expect(host.start()).rejects.toThrow(/cannot use the state file .*Check that --state-dir is writable/);
  await host.dispose();
  await world.end();
});

/**
 * Adds and deletes containers until the full disk fails an ADD. SQLite's log has some spare blocks at first. A DEL that
 * fails leaves a note.
 * @returns the refusal of the first ADD, and the container that was deleted last
 */
async function firstRefusal({ host, caller }: World): Promise<{ refusal: unknown; last: string }> {
  let last = 'none';
  for (let tries = 0; tries < 2_000; tries += 1) {
    const container = `filling-${tries}`;
    const refusal = await host.add(container).then(
      () => undefined,
      (error) => error,
    );
    if (refusal !== undefined) return { refusal, last };
    await caller.del(container);
    last = container;
  }
  return { refusal: 'none', last };
}

/** Runs a test in a world whose state is on a small file system. `free` enlarges it. */
async function onSmallDisk(run: (world: World, free: () => void) => Promise<void>): Promise<void> {
  const world = await startWorld();
  const { host } = world;
  await host.stop();
  rmSync(stateDir(world), { recursive: true });
  mkdirSync(stateDir(world));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=512k,mode=0755', 'none', stateDir(world)]);
  try {
    await host.start();
    await run(world, () => execFileSync('mount', ['-o', 'remount,size=16m', stateDir(world)]));
  } finally {
    await host.stop();
    execFileSync('umount', [stateDir(world)]);
    await world.end();
  }
}

rootTest('a container that was deleted on a full disk is released after a restart', 'a small file system', () =>
  onSmallDisk(async (world, free) => {
    const { host, caller, ledger } = world;
    expect(await caller.add('c1')).toBe('ok');
    await pause(200);
    await firstRefusal(world);
    expect(await caller.del('c1')).toBe('ok');
    await host.stop();
    free();
    await host.start();
    expect(await caller.add('c2')).toBe('ok');
    await ledger.settled();
  }),
);

rootTest(
  'on a full disk ADD and GC fail with the reason, DEL leaves a note, and all work when there is space',
  'a small file system',
  () =>
    onSmallDisk(async (world, free) => {
      const { host, grid, caller, ledger } = world;
      await inhabit(world);
      await until('it has read the grid', () => host.log.some(({ message }) => message === 'grid available'));
      await pause(200);
      let { refusal, last } = await firstRefusal(world);
      expect(refusal).toMatchObject({
        code: 5,
        message: expect.stringContaining('full'),
        details: expect.stringContaining('--state-dir'),
      });
      const status = () =>
        host.call('STATUS', '').then(
          () => undefined,
          (error) => error,
        );
      // A smaller write that was under way may have found room, which the next ADD uses up.
      while ((await status()) === undefined) ({ refusal, last } = await firstRefusal(world));
      expect(await status()).toMatchObject({ code: 50, message: expect.stringContaining('full') });
      expect(await caller.del('c2')).toBe('ok');
      expect(await caller.del('c2')).toBe('ok');
      caller.dies('c3');
      expect(await caller.gc(['c1'])).toBe(5);
      grid.clearLog();
      await pause(1_000);
      expect(grid.requests.length).toBeLessThan(5);
      free();
      expect(await caller.del(last)).toBe('ok');
      expect(await caller.add('c4')).toBe('ok');
      expect(await caller.add('c2')).toBe('ok');
      expect(await caller.gc(['c1', 'c2', 'c4'])).toBe('ok');
      expect(await caller.status()).toBe('ok');
      await ledger.settled();
    }),
);
