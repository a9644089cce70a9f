/** A host as the built commands show it to an operator. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { askDaemon } from '../../../src/modes/operator/daemon-connection.ts';
import { startFakeDaemon } from '../../fixture/fake-daemon.ts';
import { until } from '../../fixture/host.ts';
import { type Grid, startGrid } from '../../simulator/grid.ts';
import { commandFile, run } from '../program.ts';
import { OperatorHost } from './operator-host.ts';
import { atTerminal } from './terminal.ts';

let grid: Grid;
let host: OperatorHost;

beforeEach(async () => {
  grid = await startGrid();
  host = await new OperatorHost(grid).start();
});
afterEach(async () => {
  await host.dispose();
  await grid.stop();
});

const containers = () => grid.fixedAddresses('default').filter(({ comment }) => comment?.includes('container='));

describe('status', () => {
  test('shows on one screen that a host is well, and its leases', async () => {
    await host.add('c1');
    const { exitCode, stdout, stderr } = await host.command('status');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(stdout).toMatch(/^well\n/);
    expect(stdout).toMatch(/^host +host-a in cluster-1, driver infoblox$/m);
    expect(stdout).toMatch(/^grid +127\.0\.0\.1, port \d+: answered \d+s ago; WAPI 2\.3 as .*; certificate verified$/m);
    expect(stdout).toMatch(/^session +logged in; certificate of the grid until \d{4}-\d\d-\d\d, for \d+ more days$/m);
    expect(stdout).toMatch(/^leases +1 bound, 0 pending, 0 releasing$/m);
    expect(stdout).toMatch(/^net-1 +default +10\.0\.0\.0\/24 +1 /m);
    expect(stdout.split('\n').length).toBeLessThan(25);
  });

  test('counts at least the addresses bound here as used, although the grid counts in thousandths', async () => {
    grid.add('network', { network: '10.9.0.0/16' });
    await host.call('ADD', {
      containerId: 'c1',
      config: { name: 'wide' },
      ipam: { subnet: '10.9.0.0/16', gateway: undefined },
    });
    const { stdout } = await host.command('status', '--json');
    expect(JSON.parse(stdout).networks).toMatchObject([{ name: 'wide', bound: 1, total: 65_534, used: 1 }]);
  });

  test('does not report a refused certificate as verified', async () => {
    const other = await startGrid();
    const wary = await new OperatorHost(grid).start([`--ssl-verify=${other.caFile}`]);
    try {
      await until('the grid was asked', async () => /not accepted/.test((await wary.command('status')).stdout));
      expect((await wary.command('status')).stdout).toMatch(/^grid .*; CERTIFICATE NOT\s+ACCEPTED$/m);
    } finally {
      await wary.dispose();
      await other.stop();
    }
  });

  test('fails during an outage with status, reason and fix', async () => {
    await grid.stop();
    await host.call('ADD', { containerId: 'c1' });
    const { exitCode, stdout } = await host.command('status');
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^NOT WELL: grid-unavailable\n/);
    expect(stdout).toMatch(/^ {2}grid-unavailable for \d+s: cannot connect to the grid .*\n {4}fix: .+/m);
    expect(stdout).toMatch(/^Last errors\n {2}\d{4}-.*(ADD failed|grid unavailable)/m);
    const { stdout: json } = await host.command('status', '--json');
    const isTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(JSON.parse(json)).toMatchObject({
      startedAt: isTime,
      conditions: [{ kind: 'grid-unavailable', since: isTime, hint: expect.any(String) }],
    });
    const probe = async (kind: string) => host.command('status', `--probe=${kind}`);
    expect(await probe('live')).toMatchObject({ exitCode: 0, stdout: 'ok\n', stderr: '' });
    const isReason = expect.stringMatching(/^infoblox-cni-daemon status: cannot connect to the grid .*\. See whether /);
    expect(await probe('ready')).toMatchObject({ exitCode: 1, stdout: '', stderr: isReason });
  });

  test('answers a probe with ok when the next ADD can be served', async () => {
    await until('the grid has answered', async () => (await host.command('status', '--probe=ready')).stdout === 'ok\n');
  });
});

describe('leases', () => {
  test('shows who holds which address, and filters', async () => {
    await host.add('c1');
    await host.add('c22');
    const { exitCode, stdout } = await host.command('leases');
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^ADDRESS +PHASE +NETWORK +VIEW +CONTAINER +WORKLOAD +INTERFACE +AGE +SANDBOX$/m);
    expect(stdout).toMatch(/^10\.0\.0\.2 +bound +net-1 +default +c1 +- +eth0 +\d+s +unknown$/m);
    const ids = async (...flags: string[]) => {
      const run = await host.command('leases', '--json', ...flags);
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
    await host.add('container-1', { args: 'NOMAD_JOB_ID=job\u001b[31m\u009b5m\u202e\n' });
    const outputs = [
      ['leases'],
      ['leases', '--json'],
      ['leases', '--history=10.0.0.2'],
      ['leases', '--history=10.0.0.2', '--json'],
    ];
    for (const [name = '', ...flags] of outputs) {
      const { stdout } = await host.command(name, ...flags);
      expect(stdout).toContain('job');
      expect(stdout).not.toMatch(/[^\n\P{Cc}]|[\p{Cf}\p{Zl}\p{Zp}]/u);
    }
  });

  test('may be longer than in a mark, and their container is found and released by its full ID', async () => {
    await host.add(longId);
    const found = await host.command('leases', `--container=${longId}`, '--json');
    expect(JSON.parse(found.stdout)).toMatchObject([{ containerId: longId, address: '10.0.0.2' }]);
    expect((await host.command('leases', `--container=${longId.slice(0, -1)}c`)).stdout).toBe('no leases\n');
    expect((await host.command('release', longId)).stdout).toMatch(/^releasing 1 address\n/);
    await until('the address is back', () => containers().length === 0);
  });

  test.each([80, 120])('make no line wider than a terminal of %i columns, and shorten no address', async (columns) => {
    await host.add(longId, { args: `K8S_POD_NAMESPACE=${'n'.repeat(50)};K8S_POD_NAME=${'p'.repeat(60)}` });
    const commands = [['leases'], ['leases', '--history=10.0.0.2'], ['status'], ['leases', '--help'], ['--help']];
    for (const args of commands) {
      const { screen } = await atTerminal([...args, `--socket-dir=${host.socketDir}`], [], columns);
      const widest = Math.max(...screen.split('\r\n').map((line) => line.length));
      expect([args, widest]).toEqual([args, expect.toSatisfy((width: number) => width > 40 && width <= columns)]);
      if (args.join() === 'leases') expect(screen).toMatch(/^10\.0\.0\.2 +bound /m);
    }
    expect((await host.command('leases')).stdout).toContain(`${'n'.repeat(50)}/${'p'.repeat(60)}`);
  });
});

describe('the history of an address', () => {
  test('shows who held it, and who held it at a time', async () => {
    const pod = 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1';
    await host.add('container-1', { args: pod });
    await host.call('DEL', { containerId: 'container-1' });
    await until('the address is back, and the host knows it', async () => {
      return (await host.command('leases')).stdout === 'no leases\n';
    });
    const between = new Date().toISOString();
    await host.add('container-2');
    const all = await host.command('leases', '--history=10.0.0.2');
    expect(all.exitCode).toBe(0);
    expect(all.stdout).toMatch(
      /^FROM .*\n\d{4}-\S+ +now +- +net-1 +default +container-2 +-\n\d{4}-\S+ +\d{4}-\S+ +DEL +net-1 +default +container-1 +shop\/web-1\nnothing is known from before /,
    );
    const then = await host.command('leases', '--history=10.0.0.2', `--at=${between}`);
    expect([then.exitCode, then.stdout.split('\n')]).toEqual([
      1,
      [
        expect.stringMatching(/^at .* no container on this host held 10\.0\.0\.2; known since /),
        expect.stringMatching(/^ {2}before: shop\/web-1 \(container container-1, /),
        expect.stringMatching(/^ {2}after: container-2 \(container container-2, .* until now$/),
        '',
      ],
    ]);
    const now = await host.command('leases', '--history=10.0.0.2', `--at=${new Date().toISOString()}`, '--json');
    expect(JSON.parse(now.stdout).atTime.holders).toMatchObject([{ container: 'container-2', state: 'held' }]);
    expect((await host.command('leases', '--history=10.0.0.9')).exitCode).toBe(1);
    expect((await host.command('leases', '--history=10.0.0.2', '--at=yesterday')).stderr).toMatch(
      /--at "yesterday" must be/,
    );
    expect((await host.command('leases', '--history=10.0.0.2', '--at=2002-02-02')).stdout).toMatch(
      /^nothing is known about 10\.0\.0\.2 at 2002-\S+: its history begins at \d{4}-/,
    );
    expect((await host.command('leases', '--history=10.0.0.2', '--at=2222-02-02')).stderr).toMatch(/ is in the future/);
  });
});

describe('release', () => {
  test('releases only the addresses of the container', async () => {
    await host.add('container-1');
    await host.add('container-2');
    const { exitCode, stdout } = await host.command('release', 'container-1');
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^releasing 1 address\nADDRESS.*\n10\.0\.0\.2 /)]);
    await until('the address is back', () => containers().length === 1);
    expect(containers()[0]?.comment).toContain('container=container-2');
  });

  test('needs an ID that matches one container', async () => {
    await host.add('container-1');
    await host.add('container-2');
    const { exitCode, stdout } = await host.command('release', 'container');
    const head = '"container" may mean several containers: name one of them, or its address\nADDRESS ';
    expect([exitCode, stdout]).toEqual([1, expect.stringContaining(head)]);
    expect(stdout.match(/^10\.0\.0\.\d .* container-\d /gm)).toHaveLength(2);
    expect(containers().length).toBe(2);
    await host.add('con');
    const inDoubt = await host.command('release', 'co');
    expect([inDoubt.exitCode, inDoubt.stderr]).toEqual([
      2,
      expect.stringContaining('no container or pod is called co: name at least 4 characters of an ID'),
    ]);
    expect((await host.command('release', 'con', '--network=net-7')).stderr).toMatch(
      /has no lease of con in network net-7\. See/,
    );
    expect((await host.command('release', 'con')).stdout).toMatch(/^releasing 1 address\n/);
    await until('the address is back', () => containers().length === 2);
    expect((await host.command('release', 'another')).stderr).toMatch(
      /^infoblox-cni-daemon release: this host has no lease of another\. See infoblox-cni-daemon leases\./,
    );
  });
});

describe('an address, a pod or a container', () => {
  const pod = (name: string) => ({ args: `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${name}` });
  const whois = (who: string) => host.command('whois', who);

  test('selects the leases to list or release, and at most ten are listed for an ambiguous name', async () => {
    for (let n = 1; n <= 12; n += 1) await host.add(`container-${n}`, pod(n === 1 ? 'db' : 'web'));
    const lines = async (command: string, who: string) =>
      (await host.command(command, who)).stdout.split('\n').filter((line) => line.startsWith('10.0.0.'));
    expect(await lines('leases', 'shop/web')).toHaveLength(11);
    expect(await lines('leases', '10.0.0.3')).toEqual([expect.stringMatching(/ container-2 +shop\/web /)]);
    expect(await lines('leases', 'container-1')).toEqual([expect.stringMatching(/ container-1 +shop\/db /)]);
    const many = await host.command('release', 'web');
    expect([many.exitCode, many.stdout]).toEqual([1, expect.stringMatching(/\n\.\.\. and 1 more\n$/)]);
    expect(await lines('release', 'web')).toHaveLength(10);
    expect(await lines('release', 'shop/db')).toEqual([expect.stringContaining(' container-1 ')]);
    expect(await lines('release', '10.0.0.3')).toEqual([expect.stringContaining(' container-2 ')]);
    await until('both are back', () => containers().length === 10);
  });

  test('is accepted by whois, which shows its holder on any host, and the last one on this host', async () => {
    grid.add('extensibleattributedef', { name: 'Pod', type: 'STRING' });
    grid.add('extensibleattributedef', { name: 'Namespace', type: 'STRING' });
    const other = await new OperatorHost(grid, { node: 'host-b' }).start();
    try {
      await host.add('container-1', pod('web-1'));
      await host.call('DEL', { containerId: 'container-1' });
      await until('the address is back', () => containers().length === 0);
      await host.add('container-2', pod('web-2'));
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

describe.runIf(process.getuid?.() === 0)('with real namespaces', () => {
  const ip = (...args: string[]) => execFileSync('ip', args);
  const name = `operator-${process.pid}`;
  const netns = `/run/netns/${name}`;

  test('gc releases proven dead containers, and release spares live ones unless forced', async () => {
    ip('netns', 'add', name);
    try {
      await host.add('container-1', { netns });
      expect((await host.command('leases')).stdout).toMatch(/ alive$/m);
      expect((await host.command('gc')).stdout).toBe('nothing to release\n');
      const refused = await host.command('release', 'container-1');
      const why = 'its sandbox is alive. Stop the container, or take the address from it with --force.';
      expect([refused.exitCode, refused.stdout]).toEqual([1, expect.stringContaining(why)]);
    } finally {
      ip('netns', 'del', name);
    }
    expect((await host.command('gc', '--dry-run')).stdout).toMatch(/^would release 1 address\n/);
    expect(containers().length).toBe(1);
    expect((await host.command('gc')).stdout).toMatch(/^releasing 1 address\n/);
    await until('the address is back', () => containers().length === 0);
  });
});

test('a host without a daemon is reported with a status of its own', async () => {
  await host.daemon.stop();
  for (const command of [['status'], ['status', '--probe=live'], ['leases'], ['gc'], ['release', 'c111']]) {
    const { exitCode, stdout, stderr } = await host.command(command[0] ?? '', ...command.slice(1));
    expect([exitCode, stdout]).toEqual([3, '']);
    expect(stderr).toMatch(/: infoblox-cni-daemon is not running: nothing listens at .*\. Start it: systemctl start/);
  }
});

test('a daemon that hangs, or dies during an answer, is reported as not answering', async () => {
  await host.daemon.stop();
  const faults: [RegExp, (socket: Socket) => void][] = [
    [/the daemon at .* did not accept the call within 3 s\. It hangs; restart it: /, () => undefined],
    [/the daemon at .* ended the connection without an answer\. See its log/, (socket) => socket.destroy()],
  ];
  for (const [message, serve] of faults) {
    const daemon = await startFakeDaemon(host.socket, serve);
    const { exitCode, stderr, milliseconds } = await host.command('status');
    await daemon.stop();
    expect([exitCode, stderr]).toEqual([3, expect.stringMatching(message)]);
    expect(milliseconds).toBeLessThan(8_000);
  }
});

test('the daemon is found through its environment file', async () => {
  const file = join(host.directory, 'daemon.env');
  writeFileSync(
    file,
    `# comment\nDAEMON_FLAGS='--socket-dir=${host.socketDir} --labels="Site=Paris,Owner=Network team"'\n`,
  );
  expect((await host.type('status', `--environment-file=${file}`)).exitCode).toBe(0);
  const { exitCode, stderr } = await host.type('status', '--environment-file=/nonexistent/daemon.env');
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringMatching(/cannot read \/nonexistent\/daemon\.env: .*\. Check --environment-file/),
  ]);
});

test('the executable under its own name is the command, unless a runtime calls it', async () => {
  const own = (args: string[], env = {}) => run(commandFile, args, env);
  const { exitCode, stdout } = await own(['status', `--socket-dir=${host.socketDir}`]);
  expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/^well\n/)]);
  expect((await own(['statsu'])).stderr).toBe(
    'infoblox-cni: unknown command "statsu"; did you mean status?\nTry infoblox-cni help.\n',
  );
  expect((await own(['leases', '--help'])).stdout).toMatch(/^Usage: infoblox-cni leases /m);
  expect((await own([])).stderr).toMatch(/^ {2}infoblox-cni COMMAND /m);
  expect((await own(['status'], { CNI_COMMAND: 'VERSION' })).stdout).toContain('supportedVersions');
});

test('a command for the grid uses the flags of the running daemon if there is no environment file', async () => {
  await host.daemon.stop();
  const file = join(host.directory, 'password');
  writeFileSync(file, grid.password, { mode: 0o600 });
  await host.start([`--wapi-password-file=${file}`, '--labels=Site=Paris']);
  const asked = await host.command('ea-defs');
  expect([asked.exitCode, asked.stdout]).toEqual([0, expect.stringMatching(/^Site +STRING +no /m)]);
  expect((await host.command('ea-defs', '--labels=Team=a')).stdout).not.toContain('Site');
  const { flags } = await askDaemon({ socket: host.socket, method: 'operator/flags', params: {} });
  expect(flags).toMatchObject({ 'grid-host': '127.0.0.1', 'wapi-password-file': file });
  expect(flags).not.toHaveProperty('wapi-password');
});

test('the error for a wrong command line suggests the intended one', async () => {
  const typed = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await host.type(...args);
    expect([exitCode, stdout]).toEqual([2, '']);
    return stderr;
  };
  expect(await typed('statsu')).toMatch(/unknown command "statsu"; did you mean status\?/);
  expect(await typed('support', 'bundle')).toMatch(/unknown command "support"; did you mean support-bundle\?/);
  expect(await typed('history', '10.0.0.2')).toMatch(/did you mean leases --history=ADDRESS\?/);
  expect(await typed('s')).toMatch(/unknown command "s"\n/);
  expect(await typed('status', '--jso')).toMatch(/unknown flag --jso; did you mean --json\?\nTry .* status --help/);
  expect(await typed('status', 'c1')).toMatch(/unexpected argument "c1"/);
  expect(await typed('leases', 'c1', '--history=10.0.0.2')).toMatch(/"c1" does not go with --history/);
  expect(await typed('whois')).toMatch(/name an address, a pod or a container/);
  expect(await typed('leases', '--phase=bond')).toMatch(/--phase "bond" must be pending, bound, resting or releasing/);
  expect(await typed('leases', '--address=10.0.0')).toMatch(/--address "10\.0\.0" must be an IP address/);
  expect(await typed('leases', '--container=')).toMatch(/flag --container needs a value/);
  expect(await typed('leases', '--address=x=')).toMatch(/--address "x=" must be an IP address/);
  expect(await typed('leases', '--history=web-1')).toMatch(/--history "web-1" must be an IP address/);
  expect(await typed('leases', '--history=10.0.0.2', '--phase=bound')).toMatch(/--phase does not go with --history/);
  expect(await typed('leases', '--original=t', '--network=net-1')).toMatch(/--network does not go with --original/);
  expect(await typed('leases', '--original=t', '--at=2026-01-02')).toMatch(/--at needs --history=ADDRESS/);
  expect(await typed('status', '--json', '--html=x')).toMatch(/--json does not go with --html/);
  expect(await typed('help', 'statsu')).toMatch(/unknown command "statsu"; did you mean status\?/);
  expect(await typed('--socket-dir=/x', 'status')).toMatch(/status must come before all flags/);
});

test('every command has a help with examples and grouped flags', async () => {
  const { stdout: list } = await host.type('help');
  const names = [...list.matchAll(/^ {2}([a-z-]+) {2,}\S/gm)].map(([, name]) => name ?? '');
  expect(names).toContain('status');
  for (const name of names) {
    const { exitCode, stdout } = await host.type(name, '--help');
    expect([exitCode, stdout]).toEqual([
      0,
      expect.stringMatching(new RegExp(`^Usage: infoblox-cni-daemon ${name}`, 'm')),
    ]);
    expect(stdout).toMatch(/^Examples:\n {2}infoblox-cni-daemon /m);
    expect(stdout).toMatch(/^ {2}--help\n/m);
    expect((await host.type('help', name)).stdout).toBe(stdout);
  }
});

describe('check-config', () => {
  test('checks network configurations as an ADD would, without the grid', async () => {
    await grid.stop();
    const write = (name: string, value: unknown) => {
      const file = join(host.directory, name);
      writeFileSync(file, JSON.stringify(value));
      return file;
    };
    const good = write('good.conf', host.config());
    const { type: _, ipam, ...list } = host.config();
    const listed = write('good.conflist', { ...list, plugins: [{ type: 'bridge', ipam }, { type: 'portmap' }] });
    const flags = host.flags.filter((flag) => !flag.startsWith('--ssl-verify'));
    const fine = await host.type('check-config', good, listed, ...flags);
    expect([fine.exitCode, fine.stderr]).toEqual([0, '']);
    const inForce = `grid 127.0.0.1 (command line), user ${grid.username} (command line), client certificate none, the grid's certificate unverified (default), from /etc/infoblox-cni/daemon.env (absent)`;
    expect(fine.stdout).toBe(
      `${inForce}\n${good}: network net-1 is fine\n${listed}: network net-1 is fine\nconfiguration accepted\n`,
    );

    const typo = write('typo.conf', host.config({ ipam: { gatway: '10.0.0.1', gateway: undefined } }));
    const foreign = write('foreign.conf', { ...host.config(), ipam: { type: 'host-local' } });
    const broken = join(host.directory, 'broken.conf');
    writeFileSync(broken, '{');
    const wrong = await host.type('check-config', typo, foreign, broken, '/nonexistent.conf', ...flags);
    expect([wrong.exitCode, wrong.stdout]).toEqual([1, `${inForce}\n`]);
    expect(wrong.stderr).toMatch(/typo\.conf: unknown key ipam\.gatway .*did you mean ipam\.gateway/);
    expect(wrong.stderr).toMatch(/foreign\.conf: no plugin in it uses the IPAM plugin infoblox\./);
    expect(wrong.stderr).toMatch(/broken\.conf: the network configuration is not valid JSON\. Correct /);
    expect(wrong.stderr).toMatch(/nonexistent\.conf: .*no such file\. Correct its name\.$/m);
    expect(wrong.stderr).not.toMatch(/[?.]\.|[ ]$/m);

    const nothing = write('nothing.conf', { ...host.config(), ipam: null });
    expect((await host.type('check-config', nothing, ...flags)).stderr).toMatch(
      /nothing\.conf: invalid network configuration: ipam: expected an object, found null\. Correct /,
    );
    const elsewhere = write('elsewhere.conf', host.config({ ipam: { 'socket-dir': 'run/cni' } }));
    expect((await host.type('check-config', elsewhere, ...flags)).stderr).toMatch(
      /is not an absolute path\. Set it to /,
    );
    const second = write('second.conf', host.config({ ipam: { subnet: '10.7.0.0/24', gateway: undefined } }));
    const together = await host.type('check-config', good, second, ...flags);
    expect(together.exitCode).toBe(1);
    expect(together.stderr).toMatch(/give network net-1 two subnets, 10\.0\.0\.0\/24 and 10\.7\.0\.0\/24\. Give one /);

    const device = (over: Record<string, unknown>) => write('device.conf', { ...host.config(), ...over });
    expect(await host.type('check-config', device({ master: 'eth0 ' }), ...flags)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(
        /device\.conf: master "eth0 " cannot be an interface\. An interface has a name of /,
      ),
    });
    expect((await host.type('check-config', device({ type: 'bridge', bridge: 'lo' }), ...flags)).stderr).toMatch(
      /device\.conf: bridge lo is an interface of this host, but not a bridge\. Name another one/,
    );
    expect(await host.type('check-config', device({ master: 'absent0' }), ...flags)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(
        /device\.conf: warning: its master absent0 does not exist on this host: no container/,
      ),
    });
    expect((await host.type('check-config', device({ type: 'brdige', brige: 'br1' }), ...flags)).stdout).toMatch(
      /warning: its key brige has no effect; did you mean bridge\?\n.*there is no main plugin brdige; did you mean bridge\?\n/,
    );
  });

  test('shows the effective settings and their sources, warns about a missing login, and refuses a malformed file', async () => {
    const file = join(host.directory, 'daemon.env');
    const check = (text: string) => {
      writeFileSync(file, text);
      return host.type('check-config', `--environment-file=${file}`, `--state-dir=${host.stateDir}`);
    };
    expect(await check(`DAEMON_FLAGS='--grid-host=grid.example.com --wapi-username=cni'`)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(
        /^grid grid\.example\.com \(DAEMON_FLAGS\), user cni \(DAEMON_FLAGS\), .*, from .*daemon\.env\nconfiguration accepted\n$/,
      ),
    });
    expect(await check('')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringMatching(
        /^grid 192\.168\.124\.200 \(default\), user none, .*\nwarning: neither --wapi-username nor .*\nconfiguration accepted\n$/,
      ),
    });
    const typo = await check('DAEMON_FLAG=--grid-host=x');
    expect([typo.exitCode, typo.stderr]).toEqual([
      2,
      expect.stringMatching(/daemon\.env: line 1: unknown variable DAEMON_FLAG; did you mean DAEMON_FLAGS\?/),
    ]);
    const open = await check("DAEMON_FLAGS='--grid-host=x");
    expect([open.exitCode, open.stderr]).toEqual([
      2,
      expect.stringMatching(/daemon\.env: line 1: a quote is not closed/),
    ]);
  });
});
