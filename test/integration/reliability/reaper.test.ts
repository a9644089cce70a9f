/** Containers that died without a DEL, found by their network namespaces: real ones. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, expect, vi } from 'vitest';
import { until } from '../../fixture/host.ts';
import { rootTest } from '../../fixture/root.ts';
import { pause, startWorld, type World, type WorldOptions } from '../../fixture/world.ts';
import type { RequestRecord } from '../../simulator/grid.ts';

// The tests wait for grace periods, so they run in parallel.
vi.setConfig({ maxConcurrency: 8 });

const why = 'network namespaces';
const made = new Set<string>();
let serial = 0;

/** Makes a namespace and returns its path. */
function makeNamespace(name = `infoblox-cni-test-${process.pid}-${++serial}`): string {
  execFileSync('ip', ['netns', 'add', name]);
  made.add(name);
  return `/run/netns/${name}`;
}

function removeNamespace(path: string): void {
  const name = path.slice('/run/netns/'.length);
  execFileSync('ip', ['netns', 'del', name]);
  made.delete(name);
}

afterAll(() => {
  for (const name of made) execFileSync('ip', ['netns', 'del', name]);
});

function reaperTest(name: string, run: (world: World) => Promise<void>, options: WorldOptions = {}): void {
  rootTest(name, why, async () => {
    const world = await startWorld({ flags: ['--reap-after=500ms'], ...options });
    try {
      await run(world);
    } finally {
      await world.end();
    }
  });
}

const held = ({ ledger }: World) =>
  ledger.reservations().map(({ comment }) => /container=(\S+)/.exec(comment ?? '')?.[1]);
/** Longer than two looks and the grace period between them. */
const longEnough = 2_500;

reaperTest(
  'a container without its namespace loses its address, and one with its namespace keeps it',
  async (world) => {
    const { caller, ledger } = world;
    const [dying, living] = [makeNamespace(), makeNamespace()];
    await caller.add('dying', { netns: dying });
    await caller.add('living', { netns: living });
    removeNamespace(dying);
    caller.dies('dying');
    await until('the dead is found', () => !held(world).includes('dying'));
    await pause(1_000);
    await ledger.settled();
    expect(held(world)).toEqual(['living']);
  },
);

reaperTest('a container whose namespace was removed with its directory loses its address', async (world) => {
  const place = mkdtempSync(join(tmpdir(), 'infoblox-cni-netns-'));
  const [dying, living] = ['dying', 'living'].map((name) => {
    const file = join(place, name, 'netns');
    mkdirSync(join(place, name));
    writeFileSync(file, '');
    execFileSync('mount', ['--bind', makeNamespace(), file]);
    return file;
  }) as [string, string];
  try {
    await world.caller.add('dying', { netns: dying });
    await world.caller.add('living', { netns: living });
    execFileSync('umount', [dying]);
    rmSync(dirname(dying), { recursive: true });
    world.caller.dies('dying');
    await until('the dead is found', () => !held(world).includes('dying'));
    await pause(1_000);
    expect(held(world)).toEqual(['living']);
  } finally {
    execFileSync('umount', [living]);
    rmSync(place, { recursive: true });
  }
});

reaperTest('a container whose namespace this host never saw keeps its address', async (world) => {
  await world.caller.add('c1', { netns: '/run/netns/of-another-mount-namespace' });
  await world.caller.add('c2', { netns: '' });
  await pause(longEnough);
  await world.ledger.settled();
  expect(held(world)).toEqual(['c1', 'c2']);
});

reaperTest('a container is dead when another namespace has its path', async (world) => {
  const path = makeNamespace();
  await world.caller.add('c1', { netns: path });
  const { ino } = statSync(path);
  removeNamespace(path);
  // The kernel reuses inode numbers of namespaces at once, here or for a parallel test.
  while (statSync(makeNamespace(path.slice('/run/netns/'.length))).ino === ino) {
    removeNamespace(path);
    makeNamespace();
  }
  world.caller.dies('c1');
  await until('the dead is found', () => held(world).length === 0);
});

reaperTest('a container that is started twice at once stays alive in its second namespace', async (world) => {
  const [first, second] = [makeNamespace(), makeNamespace()];
  await world.caller.add('other');
  const answered = Promise.withResolvers<void>();
  const isCreate = ({ method, body }: RequestRecord) =>
    method === 'POST' && JSON.stringify(body).includes('container=c1 ');
  world.grid.inject({ when: isCreate, effect: { kind: 'answer-late', after: answered.promise } });
  const adding = world.caller.add('c1', { netns: first });
  await until('the first has asked', () => world.grid.requests.some(isCreate));
  const again = world.caller.add('c1', { netns: second });
  await pause(100);
  answered.resolve();
  expect(await Promise.all([adding, again])).toEqual(['ok', 'ok']);
  removeNamespace(first);
  await pause(longEnough);
  await world.ledger.settled();
  expect(held(world)).toEqual(['other', 'c1']);
});

reaperTest('a container that comes back under its name before the grace is over keeps its address', async (world) => {
  const before = makeNamespace();
  await world.caller.add('c1', { netns: before });
  removeNamespace(before);
  await world.caller.add('c1', { netns: makeNamespace() });
  await pause(longEnough);
  await world.ledger.settled();
  expect(held(world)).toEqual(['c1']);
});

reaperTest(
  '--reap-after=0 releases no dead container',
  async (world) => {
    const path = makeNamespace();
    await world.caller.add('c1', { netns: path });
    removeNamespace(path);
    await pause(longEnough);
    expect(held(world)).toEqual(['c1']);
  },
  { flags: ['--reap-after=0'] },
);

/** Makes the state look like that of another boot. */
async function reboot({ host }: World, change = "bootId = 'of-the-boot-before', bootedAt = bootedAt - 300") {
  await host.stop();
  const database = new DatabaseSync(join(host.directory, 'state', 'state.db'));
  database.exec(`UPDATE lease SET ${change}`);
  database.close();
  await host.start();
}

reaperTest('after a reboot a missing namespace is gone, wherever it was seen', async (world) => {
  const root = mkdtempSync(join(tmpdir(), 'infoblox-cni-boot-'));
  const namespace = makeNamespace();
  const path = join(root, 'netns', 'c1');
  mkdirSync(join(root, 'netns'));
  writeFileSync(path, '');
  execFileSync('mount', ['--bind', namespace, path]);
  try {
    await world.caller.add('c1', { netns: path });
    await world.caller.add('unseen', { netns: '/nowhere' });
  } finally {
    execFileSync('umount', [path]);
    rmSync(root, { recursive: true });
  }
  await pause(longEnough);
  expect(held(world)).toEqual(['c1', 'unseen']);
  await reboot(world);
  world.caller.dies('c1');
  await until('the dead is found', () => !held(world).includes('c1'));
  await pause(1_000);
  expect(held(world)).toEqual(['unseen']);
});

reaperTest(
  'after a reboot that the uptime proves, a missing namespace is gone at once, without a grace period',
  async (world) => {
    const [gone, kept] = [makeNamespace(), makeNamespace()];
    await world.caller.add('c1', { netns: gone });
    await world.caller.add('c2', { netns: kept });
    removeNamespace(gone);
    await reboot(world, "bootId = 'of-the-boot-before', uptime = uptime + 1000000");
    world.caller.dies('c1');
    await until('the dead is found', () => !held(world).includes('c1'));
    await world.ledger.settled();
    expect(held(world)).toEqual(['c2']);
  },
  { flags: ['--reap-after=1h'] },
);

reaperTest('a container with its namespace stays alive after another boot ID or an apparent reboot', async (world) => {
  const [one, other] = [makeNamespace(), makeNamespace()];
  await world.caller.add('c1', { netns: one });
  await world.caller.add('c2', { netns: other });
  await reboot(world, "bootId = 'of-another-start-of-the-container'");
  await pause(longEnough);
  await reboot(world);
  await pause(longEnough);
  await world.ledger.settled();
  expect(held(world)).toEqual(['c1', 'c2']);
});

reaperTest('a path without its mount is no death, but a missing path is', async (world) => {
  const path = makeNamespace();
  await world.caller.add('c1', { netns: path });
  execFileSync('umount', [path]);
  await pause(longEnough);
  await world.ledger.settled();
  expect(held(world)).toEqual(['c1']);
  removeNamespace(path);
  world.caller.dies('c1');
  await until('the dead is found', () => held(world).length === 0);
});

reaperTest('a process that moves to another namespace is no death of the first one, but its end is', async (world) => {
  const moves = `sleep 60 & read go; exec nsenter --net=/proc/${process.pid}/ns/net sleep 60`;
  const child = spawn('unshare', ['--net', 'sh', '-c', moves], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  const path = `/proc/${child.pid}/ns/net`;
  const [own, ended] = [readlinkSync('/proc/self/ns/net'), once(child, 'exit')];
  try {
    await until('it is in a namespace of its own', () => readlinkSync(path) !== own);
    await world.caller.add('c1', { netns: path });
    child.stdin.end('go\n');
    await until('it has moved', () => readlinkSync(path) === own);
    await pause(longEnough);
    await world.ledger.settled();
    expect(held(world)).toEqual(['c1']);
    child.kill('SIGKILL');
    await ended;
    world.caller.dies('c1');
    await until('the dead is found', () => held(world).length === 0);
  } finally {
    process.kill(-(child.pid ?? 0), 'SIGKILL');
  }
});

reaperTest('after a reboot a container that is added again under its name keeps its address', async (world) => {
  const path = makeNamespace();
  await world.caller.add('c1', { netns: path });
  await reboot(world);
  await world.caller.add('c1', { netns: path });
  await pause(longEnough);
  await world.ledger.settled();
  expect(held(world)).toEqual(['c1']);
});

reaperTest('a container that dies during an outage is released when the grid is back', async (world) => {
  const { caller, grid } = world;
  const path = makeNamespace();
  await caller.add('c1', { netns: path });
  await grid.pause();
  removeNamespace(path);
  caller.dies('c1');
  await pause(longEnough);
  await grid.resume();
  await until('the dead is found', () => held(world).length === 0);
});

reaperTest('a daemon that starts with another view of the host releases nothing that it cannot see', async (world) => {
  const { host, caller } = world;
  const root = mkdtempSync(join(tmpdir(), 'infoblox-cni-view-'));
  const [place, elsewhere] = [join(root, 'netns'), join(root, 'elsewhere')];
  const namespace = makeNamespace();
  const pin = (name: string) => {
    writeFileSync(join(place, name), '');
    execFileSync('mount', ['--bind', namespace, join(place, name)]);
    return join(place, name);
  };
  mkdirSync(place);
  try {
    await caller.add('c1', { netns: pin('c1') });
    await caller.add('c2', { netns: pin('c2') });
    await host.stop();
    // Like in another mount namespace, the path leads to a directory that is not the runtime's.
    renameSync(place, elsewhere);
    mkdirSync(place);
    await host.start();
    await pause(longEnough);
    expect(held(world)).toEqual(['c1', 'c2']);
    await host.stop();
    rmSync(place, { recursive: true });
    renameSync(elsewhere, place);
    await host.start();
    execFileSync('umount', [join(place, 'c1')]);
    rmSync(join(place, 'c1'));
    caller.dies('c1');
    await until('the dead is found', () => !held(world).includes('c1'));
    expect(held(world)).toEqual(['c2']);
  } finally {
    const mounts = readFileSync('/proc/mounts', 'utf8').matchAll(/^\S+ (\S+)/gm);
    for (const [, point = ''] of mounts) if (point.startsWith(root)) execFileSync('umount', [point]);
    rmSync(root, { recursive: true });
  }
});
