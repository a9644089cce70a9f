/** No container gets an address of the host itself, of which the grid knows nothing. */
import { beforeEach, expect, test } from 'vitest';
import { errorOf, held, useGridAndHost } from '../grid-and-host.ts';

const own = new Set<string>();
const fixture = useGridAndHost({}, { isOwnAddress: async (address) => own.has(address) });
beforeEach(() => own.clear());

const hostComment = 'infoblox-cni address of host cluster=cluster-1 node=host-a';
const quiet = () => new Promise((resolve) => setTimeout(resolve, 150));
const requests = () => fixture.grid.requests.map(({ method, type }) => `${method} ${type}`);

/** Returns the comment of the reservation of an address. */
const named = (address: string) => {
  const { name, comment } = fixture.grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address) ?? {};
  return { name, comment };
};

test('the address that the grid gives out is reserved for the host, and the container gets the next one', async () => {
  const { grid, host } = fixture;
  own.add('10.0.0.2').add('10.0.0.3');
  expect(await host.add('c1')).toBe('10.0.0.4');
  for (const address of own) expect(named(address)).toEqual({ name: 'host', comment: hostComment });
  expect(host.log.filter(({ level }) => level === 'warn')).toMatchObject([
    {
      message: 'the grid gave out an address of this host: reserved it for the host',
      details: { address: '10.0.0.2' },
    },
    {
      message: 'the grid gave out an address of this host: reserved it for the host',
      details: { address: '10.0.0.3' },
    },
  ]);
  // From now on the grid has reservations of them.
  await quiet();
  grid.clearLog();
  expect(await host.add('c2')).toBe('10.0.0.5');
  expect(requests()).toEqual(['POST fixedaddress']);
  for (const id of ['c1', 'c2']) await host.del(id);
  expect(held(grid)).toEqual(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
});

test('an address that is the gateway on a bridge of this host stays reserved as the gateway', async () => {
  own.add('10.0.0.1');
  expect(await fixture.host.add('c1')).toBe('10.0.0.2');
  expect(named('10.0.0.1').comment).toBe('infoblox-cni gateway of network=net-1');
});

test('a request for such an address is refused without a write', async () => {
  const { grid, host } = fixture;
  await host.add('c0');
  await quiet();
  grid.clearLog();
  own.add('10.0.0.9');
  expect(await errorOf(host.call('ADD', 'c1', { args: 'IP=10.0.0.9' }))).toMatchObject({
    code: 105,
    msg: "the requested address 10.0.0.9 in 10.0.0.0/24 is this host's own",
  });
  expect(requests()).toEqual([]);
});

test('a create whose answer was lost gives no such address, either', async () => {
  const { grid, host } = fixture;
  await host.add('c0');
  own.add('10.0.0.3');
  grid.inject({ method: 'POST', type: 'fixedaddress', effect: { kind: 'reset', commit: true } });
  expect(await host.add('c1')).toBe('10.0.0.4');
  expect(named('10.0.0.3').comment).toBe(hostComment);
});

test('an attachment keeps its address when the host gets it later', async () => {
  const { host } = fixture;
  const address = await host.add('c1');
  own.add(address);
  expect(await host.add('c1')).toBe(address);
  expect(named(address).comment).toContain('container=c1');
});

test('an ADD fails with a reason after 8 addresses of the host, before it uses up the network', async () => {
  const { grid, host } = fixture;
  for (let n = 2; n < 255; n += 1) own.add(`10.0.0.${n}`);
  expect(await errorOf(host.call('ADD', 'c1'))).toMatchObject({
    code: 102,
    msg: 'the grid assigned more than 8 addresses of 10.0.0.0/24 that this host, its gateway or other containers have',
  });
  await expect.poll(() => held(grid).length).toBe(9);
});
