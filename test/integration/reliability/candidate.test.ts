/** A Grid Master Candidate without the latest changes answers while the master is away. The driver concludes nothing from it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Host, until } from '../../fixture/host.ts';
import { type Fault, type Grid, type RequestRecord, startGrid } from '../../simulator/grid.ts';
import { errorOf, held } from '../infoblox/grid-and-host.ts';
import { type Candidate, candidateHost, startCandidate } from './candidate.ts';

let master: Grid;
let candidate: Candidate;
let host: Host;

const flags = [`--grid-host=127.0.0.1,${candidateHost}`, '--ssl-verify=false'];
const doubtWindow = { recheck: 100, end: 400 };

beforeEach(async () => {
  master = await startGrid();
  candidate = await startCandidate(master);
  host = await new Host(master, { doubtWindow, flags }).start();
  await host.add('c0');
  candidate.catchUp();
});
afterEach(async () => {
  await host.dispose();
  await candidate.stop();
  await master.stop();
});

const reserved = { match_client: 'RESERVED', mac: '00:00:00:00:00:00' };
const told = (address: string) => ({ config: { prevResult: { ips: [{ address: `${address}/24` }] } } });
const logged = (text: string) => host.log.filter(({ message }) => message.includes(text));
/** Returns the container of each reserved address. */
const holders = (grid: Grid) =>
  Object.fromEntries(
    grid.fixedAddresses().map(({ ipv4addr, comment = '' }) => [ipv4addr, /container=(\S+)/.exec(comment)?.[1]]),
  );
/** Lets the master drop one connection. */
const dropOne = () => master.inject({ effect: { kind: 'reset' } });

describe('one dropped connection to the master', () => {
  test('does not make a DEL forget an address that the candidate does not know', async () => {
    await host.add('c1');
    dropOne();
    await host.del('c1');
    expect(held(master)).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(candidate.grid.requests.length).toBeGreaterThan(0);
  });

  test('does not make CHECK report a reservation as lost', async () => {
    const address = await host.add('c1');
    dropOne();
    await host.call('CHECK', 'c1', told(address));
    expect(candidate.grid.requests.length).toBeGreaterThan(0);
  });

  test('does not make a repeated ADD give another address', async () => {
    const address = await host.add('c1');
    dropOne();
    expect(await host.add('c1')).toBe(address);
    expect(held(master)).toEqual(['10.0.0.1', '10.0.0.2', address]);
  });

  test('does not make an ADD fail because the candidate refuses writes', async () => {
    master.inject({ method: 'GET', effect: { kind: 'reset' } });
    expect(await errorOf(host.call('CHECK', 'none', told('10.0.0.9')))).toMatchObject({ code: 104 });
    expect(await host.add('c1')).toBe('10.0.0.3');
  });

  test('does not make a delete believe the candidate that the object is gone', async () => {
    const address = await host.add('c1');
    const { comment = '' } = master.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address) ?? {};
    candidate.grid.add('fixedaddress', { ...reserved, ipv4addr: address, comment });
    const text = 'Reference not found';
    const body = JSON.stringify({ Error: `AdmConDataNotFoundError: ${text}`, code: 'Client.Ibap.Data.NotFound', text });
    const missing = { kind: 'status', status: 404, contentType: 'application/json', body } as const;
    candidate.grid.inject({ method: 'DELETE', effect: missing });
    dropOne();
    await host.del('c1');
    expect(candidate.grid.requests.length).toBeGreaterThan(0);
    expect(held(master)).toEqual(['10.0.0.1', '10.0.0.2']);
  });
});

describe('what the candidate shows', () => {
  test('is not taken as complete by a host that has lost its state', async () => {
    const address = await host.add('c1');
    await host.stop();
    await master.pause();
    const twin = await new Host(master, { doubtWindow, flags }).start();
    try {
      await until('the candidate is asked', () => candidate.grid.requests.length >= 3);
      await master.resume();
      expect(await twin.add('c1')).toBe(address);
      expect(held(master)).toEqual(['10.0.0.1', '10.0.0.2', address]);
    } finally {
      await twin.dispose();
    }
  });

  test('does not make CHECK accept a former address of the container', async () => {
    const address = await host.add('c1');
    const { comment = '' } = master.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address) ?? {};
    candidate.grid.add('fixedaddress', { ...reserved, ipv4addr: '10.0.0.99', comment });
    dropOne();
    await host.call('CHECK', 'c1', told(address));
  });

  test('is not given to a container if the master has removed it', async () => {
    const patient = await new Host(master, {
      doubtWindow: { recheck: 5_000, end: 9_000 },
      flags,
      node: 'host-b',
    }).start();
    try {
      await patient.add('c9');
      master.inject({ method: 'POST', effect: { kind: 'reset' } });
      const stop = master.inject({ method: 'GET', times: 99, effect: { kind: 'status', status: 400 } });
      expect(await errorOf(patient.add('c1'))).toMatchObject({ code: 11 });
      stop();
      const comment = 'infoblox-cni cluster=cluster-1 node=host-b network=net-1 container=c1 interface=eth0';
      candidate.grid.add('fixedaddress', { ...reserved, ipv4addr: '10.0.0.99', comment });
      dropOne();
      const address = await patient.add('c1');
      expect(held(master)).toContain(address);
    } finally {
      await patient.dispose();
    }
  });

  test('is not given to a container of a host that has lost its state, and the real reservation is not released', async () => {
    const markOf = (id: string) =>
      `infoblox-cni cluster=cluster-1 node=host-b network=net-1 container=${id} interface=eth0`;
    for (const { ipv4addr, comment = '' } of master.fixedAddresses()) {
      candidate.grid.add('fixedaddress', { ...reserved, ipv4addr, comment });
    }
    // The master has given that address to another container, and the candidate does not know the address of c2.
    candidate.grid.add('fixedaddress', { ...reserved, ipv4addr: '10.0.0.3', comment: markOf('c1') });
    expect(await host.add('c1')).toBe('10.0.0.3');
    master.add('fixedaddress', { ...reserved, ipv4addr: '10.0.0.9', comment: markOf('c2') });
    await master.pause();
    const fresh = await new Host(master, { doubtWindow, flags, node: 'host-b' }).start();
    try {
      for (const id of ['c1', 'c2']) expect(await errorOf(fresh.add(id))).toMatchObject({ code: 11 });
      await master.resume();
      expect(await fresh.add('c1')).toBe('10.0.0.4');
      expect(await fresh.add('c2')).toBe('10.0.0.9');
    } finally {
      await fresh.dispose();
    }
  });

  test('does not make a host remove a network that another host has set up', async () => {
    const pending = 'infoblox-cni network=pods (being set up)';
    for (const grid of [master, candidate.grid]) grid.add('networkcontainer', { network: '172.18.0.0/16' });
    for (const network of ['172.18.0.0/24', '172.18.1.0/24']) {
      candidate.grid.add('network', { network, comment: pending });
      const complete = network === '172.18.1.0/24' ? 'infoblox-cni network=pods' : pending;
      master.add('network', { network, comment: complete });
    }
    master.add('fixedaddress', { ...reserved, ipv4addr: '172.18.1.7', comment: 'a container of another host' });
    // Only the candidate answers the search for networks of the name.
    const when = ({ query }: { query: Readonly<Record<string, string>> }) => query.network === undefined;
    const times = Number.POSITIVE_INFINITY;
    master.inject({ method: 'GET', type: 'network', when, times, effect: { kind: 'reset' } });
    await host.call('ADD', 'c1', { config: { name: 'pods' }, ipam: { subnet: undefined, gateway: undefined } });
    expect(held(master)).toContain('172.18.1.7');
  });
});

describe('while the master is away', () => {
  test('a release is retried until it answers again, and CHECK says to try again', async () => {
    const address = await host.add('c1');
    await host.add('c2');
    await master.pause();
    expect(await errorOf(host.call('CHECK', 'c1', told(address)))).toMatchObject({
      code: 11,
      msg: expect.stringContaining(`${candidateHost} is not known to accept writes`),
    });
    await host.del('c1');
    expect(logged('DEL')).toHaveLength(1);
    await master.resume();
    await until('it has gone back', () => holders(master)[address] === undefined);
    expect(Object.keys(holders(master))).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.4']);
  });

  test('a failed ADD is not forgotten because the candidate has no reservation of it', async () => {
    // The master carries out the create, and is away before the next look.
    const away = Promise.withResolvers<void>();
    const when = () => {
      setImmediate(() => away.resolve(master.pause()));
      return true;
    };
    master.inject({ method: 'POST', when, effect: { kind: 'reset', commit: true } });
    const add = errorOf(host.add('c1'));
    await away.promise;
    expect(held(master)).toHaveLength(3);
    expect(await add).toMatchObject({ code: 11 });
    // A late create cannot take that long: the last look is over.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await master.resume();
    await until('it has gone back', () => held(master).length === 2);
  });
});

describe('a candidate that is promoted after its master is lost', () => {
  test('lets a release complete even if it lacks the reservation and no container starts', async () => {
    await host.add('c1');
    await master.pause();
    await host.del('c1');
    candidate.promote();
    await until('nothing is left to release', () => logged('release').length === 1);
    expect(Object.values(holders(candidate.grid))).not.toContain('c1');
  });

  test('answers a repeated ADD with the address of the container', async () => {
    const address = await host.add('c1');
    await master.pause();
    candidate.promote();
    expect(await host.add('c1')).toBe(address);
    expect(holders(candidate.grid)[address]).toBe('c1');
  });

  test('serves a host that has lost its state', async () => {
    await master.pause();
    candidate.promote();
    const fresh = await new Host(master, { doubtWindow, flags, node: 'host-b' }).start();
    try {
      const address = await fresh.add('c1');
      expect(holders(candidate.grid)[address]).toBe('c1');
      await fresh.del('c1');
      expect(Object.values(holders(candidate.grid))).not.toContain('c1');
    } finally {
      await fresh.dispose();
    }
  });

  test('stays the confirming host after a restart of the daemon, when the old master is back', async () => {
    await master.pause();
    candidate.promote();
    await host.add('c1');
    await host.stop();
    master.readOnly = true;
    await master.resume();
    await host.start();
    await host.del('c1');
    expect(Object.values(holders(candidate.grid))).not.toContain('c1');
  });
});

describe('a candidate that is promoted between a look at the master and the next write', () => {
  /** Makes the master read-only and promotes the candidate at the next matching request. */
  const promoteAt = (fault: Omit<Fault, 'effect'>) => {
    const when = (request: RequestRecord) => {
      if (fault.when?.(request) === false) return false;
      master.readOnly = true;
      candidate.promote();
      return true;
    };
    master.inject({ ...fault, when, effect: { kind: 'delay', ms: 0 } });
  };
  const received = (grid: Grid, method: string) => grid.requests.filter((request) => request.method === method);

  test('gets no delete of a stranger’s object with the same reference', async () => {
    const address = await host.add('c1');
    candidate.grid.add('fixedaddress', { ...reserved, ipv4addr: address, comment: 'a stranger' });
    promoteAt({ method: 'GET', when: ({ query }) => query.comment?.includes('container=c1 ') ?? false });
    await host.del('c1');
    await until('nothing is left to release', () => logged('nothing to release').length === 1);
    const there = candidate.grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address);
    expect(there?.comment).toBe('a stranger');
    expect(received(candidate.grid, 'DELETE')).toEqual([]);
    expect(received(master, 'DELETE')).toHaveLength(1);
  });

  test('gets a delete of an object that it shows itself in a new look', async () => {
    const address = await host.add('c1');
    const { comment = '' } = master.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address) ?? {};
    candidate.grid.add('fixedaddress', { ...reserved, ipv4addr: address, comment });
    promoteAt({ method: 'DELETE' });
    await host.del('c1');
    await until('it has gone back', () => logged('released').length === 1);
    expect(candidate.grid.requests.map(({ method }) => method).slice(0, 2)).toEqual(['GET', 'DELETE']);
    expect(holders(candidate.grid)[address]).toBeUndefined();
    expect(received(master, 'DELETE')).toHaveLength(1);
  });

  test('gives an ADD its address that was about to reassign one to the gateway', async () => {
    master.remove(master.fixedAddresses().find(({ ipv4addr }) => ipv4addr === '10.0.0.1')?._ref ?? '');
    promoteAt({ method: 'PUT' });
    expect(await host.add('c1')).toBe('10.0.0.3');
    expect(holders(candidate.grid)).toEqual({ '10.0.0.1': undefined, '10.0.0.2': 'c0', '10.0.0.3': 'c1' });
    expect(received(master, 'PUT')).toHaveLength(1);
  });
});
