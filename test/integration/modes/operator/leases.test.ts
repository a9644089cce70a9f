/** The leases of a host as an operator lists and releases them. */
import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { until } from '../../../fixture/host.ts';
import { OperatedHost, useOperatedHost } from '../../../fixture/operator.ts';

const fixture = useOperatedHost();

const containers = () =>
  fixture.grid.fixedAddresses('default').filter(({ comment }) => comment?.includes('container='));

describe('leases', () => {
  test('shows who holds which address, and filters', async () => {
    await fixture.host.add('c1');
    await fixture.host.add('c22');
    const { exitCode, stdout } = await fixture.host.command('leases');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^ADDRESS +PHASE +NETWORK +VIEW +CONTAINER +WORKLOAD +INTERFACE +AGE +SANDBOX$/m);
    expect(stdout).toMatch(/^10\.0\.0\.2 +bound +net-1 +default +c1 +- +eth0 +\d+s +unknown$/m);
    const ids = async (...flags: string[]) => {
      const run = await fixture.host.command('leases', '--json', ...flags);
      return JSON.parse(run.stdout).map(({ containerId }: { containerId: string }) => containerId);
    };
    expect(await ids('--container=c2')).toEqual(['c22']);
    expect(await ids('--address=10.0.0.2')).toEqual(['c1']);
    expect(await ids('--network=net-1', '--phase=bound')).toEqual(['c1', 'c22']);
    expect(await ids('--network=net-2')).toEqual([]);
  });
});

describe('names from containers', () => {
  const longId = 'a'.repeat(60).concat('b'.repeat(60));

  test('print no terminal control characters in tables, JSON or the history', async () => {
    await fixture.host.add('container-1', { args: 'NOMAD_JOB_ID=job\u001b[31m\u009b5m\u202e\n' });
    const outputs = [
      ['leases'],
      ['leases', '--json'],
      ['leases', '--history=10.0.0.2'],
      ['leases', '--history=10.0.0.2', '--json'],
    ];
    for (const [name = '', ...flags] of outputs) {
      const { stdout } = await fixture.host.command(name, ...flags);
      expect(stdout).toContain('job');
      expect(stdout).not.toMatch(/[^\n\P{Cc}]|[\p{Cf}\p{Zl}\p{Zp}]/u);
    }
  });

  test('may be longer than in a mark, and their container is found and released by its full ID', async () => {
    await fixture.host.add(longId);
    const found = await fixture.host.command('leases', `--container=${longId}`, '--json');
    expect(JSON.parse(found.stdout)).toMatchObject([{ containerId: longId, address: '10.0.0.2' }]);
    expect((await fixture.host.command('leases', `--container=${longId.slice(0, -1)}c`)).stdout).toBe('no leases\n');
    expect((await fixture.host.command('release', longId)).stdout).toMatch(/^releasing 1 address\n/);
    await until('the address is back', () => containers().length === 0);
  });
});

describe('the history of an address', () => {
  test('shows who held it, and who held it at a time', async () => {
    const pod = 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1';
    await fixture.host.add('container-1', { args: pod });
    await fixture.host.del('container-1');
    expect((await fixture.host.command('leases')).stdout).toBe('no leases\n');
    const between = new Date().toISOString();
    await fixture.host.add('container-2');
    const all = await fixture.host.command('leases', '--history=10.0.0.2');
    expect(all.exitCode).toBe(0);
    expect(all.stdout).toMatch(
      /^FROM .*\n\d{4}-\S+ +now +- +net-1 +default +container-2 +-\n\d{4}-\S+ +\d{4}-\S+ +DEL +net-1 +default +container-1 +shop\/web-1\nnothing is known from before /,
    );
    const then = await fixture.host.command('leases', '--history=10.0.0.2', `--at=${between}`);
    expect([then.exitCode, then.stdout.split('\n')]).toEqual([
      1,
      [
        expect.stringMatching(/^at .* no container on this host held 10\.0\.0\.2; known since /),
        expect.stringMatching(/^ {2}before: shop\/web-1 \(container container-1, /),
        expect.stringMatching(/^ {2}after: container-2 \(container container-2, .* until now$/),
        '',
      ],
    ]);
    const now = await fixture.host.command(
      'leases',
      '--history=10.0.0.2',
      `--at=${new Date().toISOString()}`,
      '--json',
    );
    expect(JSON.parse(now.stdout).atTime.holders).toMatchObject([{ container: 'container-2', state: 'held' }]);
    expect((await fixture.host.command('leases', '--history=10.0.0.9')).exitCode).toBe(1);
    expect((await fixture.host.command('leases', '--history=10.0.0.2', '--at=yesterday')).stderr).toMatch(
      /--at "yesterday" must be/,
    );
    expect((await fixture.host.command('leases', '--history=10.0.0.2', '--at=2002-02-02')).stdout).toMatch(
      /^nothing is known about 10\.0\.0\.2 at 2002-\S+: its history begins at \d{4}-/,
    );
    expect((await fixture.host.command('leases', '--history=10.0.0.2', '--at=2222-02-02')).stderr).toMatch(
      / is in the future/,
    );
  });
});

describe('release', () => {
  test('releases only the addresses of the container', async () => {
    await fixture.host.add('container-1');
    await fixture.host.add('container-2');
    const { exitCode, stdout } = await fixture.host.command('release', 'container-1');
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^releasing 1 address\nADDRESS.*\n10\.0\.0\.2 /)]);
    await until('the address is back', () => containers().length === 1);
    expect(containers()[0]?.comment).toContain('container=container-2');
  });

  test('needs an ID that matches one container', async () => {
    await fixture.host.add('container-1');
    await fixture.host.add('container-2');
    const { exitCode, stdout } = await fixture.host.command('release', 'container');
    const head = '"container" may mean several containers: name one of them, or its address\nADDRESS ';
    expect([exitCode, stdout]).toEqual([1, expect.stringContaining(head)]);
    expect(stdout.match(/^10\.0\.0\.\d .* container-\d /gm)).toHaveLength(2);
    expect(containers().length).toBe(2);
    await fixture.host.add('con');
    const inDoubt = await fixture.host.command('release', 'co');
    expect([inDoubt.exitCode, inDoubt.stderr]).toEqual([
      2,
      expect.stringContaining('no container or pod is called co: name at least 4 characters of an ID'),
    ]);
    expect((await fixture.host.command('release', 'con', '--network=net-7')).stderr).toMatch(
      /has no lease of con in network net-7\. See/,
    );
    expect((await fixture.host.command('release', 'con')).stdout).toMatch(/^releasing 1 address\n/);
    await until('the address is back', () => containers().length === 2);
    expect((await fixture.host.command('release', 'another')).stderr).toMatch(
      /^infoblox-cni release: this host has no lease of another\. See infoblox-cni leases\./,
    );
  });
});

describe('an address, a pod or a container', () => {
  const pod = (name: string) => ({ args: `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name}` });
  const whois = (who: string) => fixture.host.command('whois', who);

  test('selects the leases to list or release, and at most ten are listed for an ambiguous name', async () => {
    for (let n = 1; n <= 12; n += 1) await fixture.host.add(`container-${n}`, pod(n === 1 ? 'db' : 'web'));
    const lines = async (command: string, who: string) =>
      (await fixture.host.command(command, who)).stdout.split('\n').filter((line) => line.startsWith('10.0.0.'));
    expect(await lines('leases', 'shop/web')).toHaveLength(11);
    expect(await lines('leases', '10.0.0.3')).toEqual([expect.stringMatching(/ container-2 +shop\/web /)]);
    expect(await lines('leases', 'container-1')).toEqual([expect.stringMatching(/ container-1 +shop\/db /)]);
    const many = await fixture.host.command('release', 'web');
    expect([many.exitCode, many.stdout]).toEqual([1, expect.stringMatching(/\n\.\.\. and 1 more\n$/)]);
    expect(await lines('release', 'web')).toHaveLength(10);
    expect(await lines('release', 'shop/db')).toEqual([expect.stringContaining(' container-1 ')]);
    expect(await lines('release', '10.0.0.3')).toEqual([expect.stringContaining(' container-2 ')]);
    await until('both are back', () => containers().length === 10);
  });

  test('is accepted by whois, which shows its holder on any host, and the last one on this host', async () => {
    fixture.grid.add('extensibleattributedef', { name: 'Pod', type: 'STRING' });
    fixture.grid.add('extensibleattributedef', { name: 'Namespace', type: 'STRING' });
    const other = await new OperatedHost(fixture.grid, { node: 'host-b' }).start();
    try {
      await fixture.host.add('container-1', pod('web-1'));
      await fixture.host.del('container-1');
      await until('the address is back', () => containers().length === 0);
      await fixture.host.add('container-2', pod('web-2'));
      await other.add('container-3', pod('web-3'));
      const mine = await whois('10.0.0.2');
      expect([mine.exitCode, mine.stdout]).toEqual([
        0,
        expect.stringMatching(
          /^10\.0\.0\.2 in network net-1, view default: shop\/web-2, container container-2, eth0, on this host, bound, sandbox unknown, since \S+Z \(\d+s\)\nbefore, here: 10\.0\.0\.2 was held by shop\/web-1 \(container container-1, network net-1, view default\) from \S+:\d\dZ until \S+:\d\dZ, released by DEL\n$/,
        ),
      ]);
      const theirs =
        /^10\.0\.0\.3 in network net-1, view default: shop\/web-3, container container-3, eth0, on host host-b of cluster-1\n$/;
      for (const who of ['10.0.0.3', 'web-3', 'shop/web-3', 'container-3']) {
        expect([who, (await whois(who)).stdout]).toEqual([who, expect.stringMatching(theirs)]);
      }
      const nobody = await whois('10.0.0.9');
      expect([nobody.exitCode, nobody.stdout]).toEqual([
        1,
        'not reserved; in network 10.0.0.0/24, view default, the grid calls it UNUSED\n',
      ]);
      expect((await whois('10.0.0.1')).stdout).toMatch(
        /not a container's; the grid keeps it for "infoblox-cni gateway of /,
      );
      expect((await whois('10.9.9.9')).stdout).toContain('the grid has no network with 10.9.9.9\n');
    } finally {
      await other.dispose();
    }
  });

  test('is not found by its pod on other hosts without the attribute Pod, and whois gives the reason', async () => {
    expect((await whois('web-9')).stdout).toMatch(
      /^neither this host nor the grid knows web-9\n.* does not define the attribute Pod/,
    );
  });
});

test('a name that looks like an address is looked up as a name, and only if nobody has it called a wrong address', async () => {
  await fixture.host.add('container-1', { args: 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=1.2.3' });
  for (const command of ['whois', 'leases', 'release'])
    expect(await fixture.host.command(command, '1.2.3')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(/\bcontainer-1\b/),
    });
  for (const command of ['leases', 'release'])
    expect(await fixture.host.command(command, '172.18.1.300')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/: this host has no lease of 172\.18\.1\.300, which is not an IP address\n/),
    });
  expect(await fixture.host.command('whois', '172.18.1.300')).toMatchObject({
    exitCode: 1,
    stdout: expect.stringMatching(
      /^neither this host nor the grid knows 172\.18\.1\.300, which is not an IP address\n/,
    ),
  });
});

describe.runIf(process.getuid?.() === 0)('with real namespaces', () => {
  const ip = (...args: string[]) => execFileSync('ip', args);
  const name = `operator-${process.pid}`;
  const netns = `/run/netns/${name}`;

  test('gc releases proven dead containers, and release spares live ones unless forced', async () => {
    ip('netns', 'add', name);
    try {
      await fixture.host.add('container-1', { netns });
      expect((await fixture.host.command('leases')).stdout).toMatch(/ alive$/m);
      expect((await fixture.host.command('gc')).stdout).toBe('nothing to release\n');
      const refused = await fixture.host.command('release', 'container-1');
      const why = 'its sandbox is alive. Stop the container, or take the address from it with --force.';
      expect([refused.exitCode, refused.stdout]).toEqual([1, expect.stringContaining(why)]);
    } finally {
      ip('netns', 'del', name);
    }
    expect((await fixture.host.command('gc', '--dry-run')).stdout).toMatch(/^would release 1 address\n/);
    expect(containers().length).toBe(1);
    expect((await fixture.host.command('gc')).stdout).toMatch(/^releasing 1 address\n/);
    await until('the address is back', () => containers().length === 0);
  });
});
