/** `audit`: this host's leases beside the grid, and all hosts of the cluster. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OperatedHost, useOperatedHost } from '../../../fixture/operator.ts';

const fixture = useOperatedHost({ attributes: ['Reserved At'] });
let other: OperatedHost;

beforeEach(async () => {
  other = await new OperatedHost(fixture.grid, { node: 'host-b' }).start();
});
afterEach(() => other.dispose());

const refOf = (address: string) =>
  fixture.grid.fixedAddresses().find(({ ipv4addr }) => ipv4addr === address)?._ref ?? '';
const mark = (container: string) =>
  `infoblox-cni cluster=cluster-1 node=host-a network=net-1 container=${container} interface=eth0`;

test('a host that agrees with the grid is reported so, and each difference with its fix, by doctor as well', async () => {
  for (const id of ['c1', 'c2', 'c3']) await fixture.host.add(id);
  await other.add('c4');
  expect(await fixture.host.command('audit')).toMatchObject({
    exitCode: 0,
    stdout: '3 leases compared: the grid agrees\n',
  });
  fixture.grid.update(refOf('10.0.0.2'), { comment: `${mark('c1')} do not touch` });
  fixture.grid.remove(refOf('10.0.0.3'));
  fixture.grid.update(refOf('10.0.0.4'), { comment: 'printer' });
  fixture.grid.add('fixedaddress', {
    ipv4addr: '10.0.0.99',
    match_client: 'RESERVED',
    mac: '00:00:00:00:00:00',
    comment: mark('c9'),
  });
  const { exitCode, stdout } = await fixture.host.command('audit');
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(
    /^altered: 10\.0\.0\.2 in view default, network net-1: the reservation of c1\/eth0 was changed .*\n {4}fix: restore its comment /m,
  );
  expect(stdout).toMatch(/^missing: 10\.0\.0\.3 .*\n {4}fix: /m);
  expect(stdout).toMatch(
    /^address of another: 10\.0\.0\.4 .* keeps it for "printer"\n {4}fix: restart this container/m,
  );
  expect(stdout).toMatch(/^without a lease: 10\.0\.0\.99 .* knows nothing of c9\/eth0\n {4}fix: GC of the runtime/m);
  expect(stdout).toMatch(/^3 leases compared: 4 differences\n$/m);
  const { stdout: json } = await fixture.host.command(
    'doctor',
    '--json',
    ...fixture.host.flags.filter((flag) => !flag.startsWith('--socket-dir')),
  );
  const found = JSON.parse(json).findings.filter(({ group }: { group: string }) => group === 'leases');
  expect(
    found.map(({ level, message }: Record<string, string>) => `${level} ${message?.split(':')[0]}`).sort(),
  ).toEqual(['warning address of another', 'warning altered', 'warning missing', 'warning without a lease']);
});

test('a cluster is listed by host, with unexpected hosts and unused networks, as a table, JSON and CSV', async () => {
  await fixture.host.add('c1');
  await other.add('c2');
  await other.add('c3');
  const ipam = { subnet: '10.7.0.0/24', gateway: undefined, 'network-view': 'blue' };
  await other.add('c5', { config: { name: 'old' }, ipam });
  fixture.grid.remove(fixture.grid.fixedAddresses('blue')[0]?._ref ?? '');
  const hosts = join(fixture.host.directory, 'hosts');
  writeFileSync(hosts, '# of the inventory\nhost-a\n\nhost-c\n');
  const { exitCode, stdout } = await fixture.host.command('audit', '--cluster', `--hosts=${hosts}`);
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/^host-a +net-1 +default +1 +0 +0 +\d{4}-\S+Z$/m);
  expect(stdout).toMatch(/^host-b +net-1 +default +2 +0 +0 +\d{4}-\S+Z +not in --hosts$/m);
  expect(stdout).toMatch(/^2 hosts of cluster-1; the grid cannot tell which of them are alive$/m);
  expect(stdout).toMatch(/^host-b is not in --hosts: if it is gone for good, gc --host=host-b$/m);
  expect(stdout).toMatch(
    /^network 10\.7\.0\.0\/24 in view blue \(old\) was made by the driver, and no container has an address in it$/m,
  );
  expect(stdout).toMatch(/^view blue was made by the driver, and no container has an address in it$/m);
  writeFileSync(hosts, 'host-a.example.com, host-b.example.com\n');
  const wrong = await fixture.host.command('audit', '--cluster', `--hosts=${hosts}`);
  expect([wrong.exitCode, wrong.stdout]).toEqual([1, '']);
  expect(wrong.stderr).toMatch(
    /hosts does not name this host, host-a: no host is judged by it\. Name the hosts one a line/,
  );
  expect((await fixture.host.command('audit', '--cluster')).stdout).toMatch(/^HOST .* LAST RESERVATION$/m);
  const plain = await fixture.host.command('audit', '--cluster', '--csv');
  expect([plain.exitCode, plain.stdout.split('\n').slice(0, 2)]).toEqual([
    0,
    [
      'host,network,view,addresses,altered,blocks,last reservation,note',
      expect.stringMatching(/^host-a,net-1,default,1,0,0,\d{4}-\S+Z,$/),
    ],
  ]);
  const { rows } = JSON.parse((await fixture.host.command('audit', '--cluster', '--json')).stdout);
  expect(rows).toMatchObject([
    { host: 'host-a', isExpected: null },
    { host: 'host-b', addresses: 2 },
  ]);
  expect((await fixture.host.command('audit', '--csv')).stderr).toMatch(/--csv and --hosts go with --cluster/);
  expect((await fixture.host.command('audit', '--cluster', '--hosts=/nonexistent')).stderr).toMatch(
    /cannot read \/nonexistent: there is no such file\./,
  );
});
