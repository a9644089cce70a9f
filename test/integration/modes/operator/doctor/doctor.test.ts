/** `doctor` on a healthy host, and with each single fault of host, grid and network. */
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { versionLine } from '../../../../../src/modes/about.ts';
import type { Finding } from '../../../../../src/modes/operator/doctor/check.ts';
import { until } from '../../../../fixture/host.ts';
import { OperatedHost, operate } from '../../../../fixture/operator.ts';
import { type Grid, startGrid } from '../../../../simulator/grid.ts';

let grid: Grid;
let host: OperatedHost;

const plugins = () => join(host.directory, 'plugins');
const stateDir = () => join(host.directory, 'state');

beforeEach(async () => {
  grid = await startGrid({ password: 'tr0ub4dor-3' });
  grid.add('network', { network: '10.0.0.0/24' });
  host = await new OperatedHost(grid).start();
  await until('the grid has answered', () => host.log.some(({ message }) => message === 'grid available'));
  mkdirSync(plugins());
  plugin('bridge', '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}');
  plugin('infoblox', versionLine);
  vi.stubEnv('CNI_PATH', plugins());
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await host.dispose();
  await grid.stop();
});

/** Installs a plugin that answers whatever it is asked. */
function plugin(name: string, answer: string): void {
  writeFileSync(join(plugins(), name), `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 });
}

/** Writes a network configuration. @returns its file */
function netconf({ ipam = {}, ...config }: Record<string, unknown> & { ipam?: Record<string, unknown> } = {}): string {
  const file = join(host.directory, 'net.conf');
  const usual = { cniVersion: '1.0.0', type: 'bridge' };
  writeFileSync(file, JSON.stringify(host.config({ config: { ...usual, ...config }, ipam })));
  return file;
}

interface Diagnosis {
  readonly exitCode: number;
  readonly findings: readonly Finding[];
  /** Returns each finding as `group, title: message -> fix`. */
  readonly failures: readonly string[];
  readonly warnings: readonly string[];
}

async function doctor(args: readonly string[] = [netconf()], password = grid.password): Promise<Diagnosis> {
  const before = grid.requests.length;
  const flags = [...host.flags, `--wapi-password=${password}`];
  const { exitCode, stdout, stderr } = await operate('doctor', '--json', ...flags, ...args);
  expect(stderr).toBe('');
  expect(stdout).not.toContain(password);
  for (const { method, query, type } of grid.requests.slice(before)) {
    expect(method === 'GET' || query._function !== undefined || type === 'logout', `${method} ${type}`).toBe(true);
  }
  const { findings }: { findings: Finding[] } = JSON.parse(stdout);
  const of = (wanted: Finding['level']) =>
    findings
      .filter(({ level }) => level === wanted)
      .map(({ group, title, message, fix }) => `${group}, ${title}: ${message} -> ${fix}`);
  return { exitCode, findings, failures: of('failure'), warnings: of('warning') };
}

/** Expects exactly one failure. */
async function expectFailure(diagnosis: Promise<Diagnosis>, line: RegExp): Promise<Diagnosis> {
  const found = await diagnosis;
  expect(found.failures).toEqual([expect.stringMatching(line)]);
  expect(found.exitCode).toBe(1);
  return found;
}

describe('a healthy host', () => {
  test('has only good findings, and exit status 0', async () => {
    const { exitCode, failures, warnings, findings } = await doctor();
    expect({ exitCode, failures, warnings }).toEqual({ exitCode: 0, failures: [], warnings: [] });
    const skipped = findings.filter(({ level }) => level === 'skipped').map(({ title }) => title);
    expect(skipped).toEqual(['permissions to write']);
    const groups = [...new Set(findings.map(({ group }) => group))];
    expect(groups).toEqual(['host', 'plugins', 'grid', 'leases', 'network configurations', 'network net-1']);
  });

  test('gets no key of the grid stored by doctor', async () => {
    const { warnings } = await doctor(['--ssl-verify=pin', netconf()]);
    expect(warnings).toEqual([
      expect.stringMatching(/TLS: 127\.0\.0\.1: no public key is known yet; .* sha256\/\/.* -> compare it/),
    ]);
    expect(readdirSync(stateDir())).not.toContain('grid-keys');
  });
});

describe('doctor reports on this host', () => {
  test('a daemon that is down', async () => {
    await host.stop();
    const line = /^host, socket: the daemon is not running: .* -> start it with systemctl start infoblox-cni-daemon/;
    await expectFailure(doctor(), line);
  });

  test('a plugin that is missing beside `bridge`', async () => {
    rmSync(join(plugins(), 'infoblox'));
    await expectFailure(
      doctor(),
      /^plugins, IPAM plugin: there is bridge in .*, but no infoblox .* -> run infoblox-cni install-plugin --bin-dir=/,
    );
  });

  test('a main plugin that does not speak the version of the configuration', async () => {
    await expectFailure(
      doctor([netconf({ cniVersion: '1.1.0' })]),
      /^plugins, main plugins: .*net\.conf asks for CNI 1\.1\.0, which .*\/bridge does not speak -> set cniVersion to 1\.0\.0/,
    );
  });

  test('a state directory that others can write to', async () => {
    chmodSync(stateDir(), 0o777);
    await expectFailure(doctor(), /^host, state directory: .* is writable by users .* -> run chmod go-w /);
  });

  test('an invalid flag of the daemon', async () => {
    const found = await expectFailure(
      doctor(['--ssl-verify=/nonexistent.pem']),
      /^host, flags: --ssl-verify "\/nonexistent\.pem" is neither .* -> correct DAEMON_FLAGS/,
    );
    expect(found.findings).toHaveLength(1);
  });

  test('changed flags before a restart, as a warning', async () => {
    const { exitCode, warnings } = await doctor(['--node-name=host-b', netconf()]);
    expect([exitCode, warnings]).toEqual([
      0,
      [expect.stringMatching(/^host, daemon: .* other values of --node-name .* restart/)],
    ]);
  });
});

describe('doctor reports on the way to the grid', () => {
  test('a wrong password, tried once', async () => {
    const found = await expectFailure(
      doctor([netconf()], 'not-tr0ub4dor'),
      /^grid, login: the grid at 127\.0\.0\.1 refused the user name or password of "admin" \(401\) -> check --wapi-username/,
    );
    expect(grid.wrongPasswords).toBe(1);
    const skipped = found.findings.filter(({ level }) => level === 'skipped').map(({ message }) => message);
    expect(new Set(skipped)).toEqual(new Set(['login failed']));
  });

  test('an unknown host name', async () => {
    await expectFailure(
      doctor(['--grid-host=grid.invalid', netconf()]),
      /^grid, TLS: .*: (no such host|the resolver does not answer) -> check the name in/,
    );
  });

  test('an untrusted certificate', async () => {
    const other = await startGrid();
    try {
      const line =
        /^grid, TLS: .* its certificate is not accepted .* -> put the grid's certificate or its CA into \/.*, or set --ssl-verify to pin/;
      await expectFailure(doctor([`--ssl-verify=${other.caFile}`, netconf()]), line);
    } finally {
      await other.stop();
    }
  });

  test('a WAPI version that the grid does not serve', async () => {
    const line = /^grid, WAPI version: the grid does not serve 3\.9 -> set --wapi-version to 2\.13\.5, the newest/;
    await expectFailure(doctor(['--wapi-version=3.9', netconf()]), line);
  });

  test('a grid that is down, in one line', async () => {
    await grid.pause();
    const { findings } = await expectFailure(doctor(), /^grid, TLS: cannot connect/);
    const skipped = findings.filter(({ level }) => level === 'skipped').map(({ message }) => message);
    expect(new Set(skipped)).toEqual(new Set(['TLS failed']));
  });

  test('one grid host of two, as a warning', async () => {
    const { exitCode, warnings } = await doctor(['--grid-host=127.0.0.1,grid.invalid', netconf()]);
    expect(exitCode).toBe(0);
    expect(warnings).toContainEqual(expect.stringMatching(/^grid, TLS: .* -> check the name/));
  });

  test('a user who may not read reservations', async () => {
    grid.denied.add('fixedaddress');
    const line =
      /^grid, permissions: cannot read fixedaddress: .*Read permission.* -> give the user of --wapi-username/;
    await expectFailure(doctor(), line);
  });

  test('no failure for a user without optional rights', async () => {
    for (const type of ['ipv4address', 'extensibleattributedef', 'member:license', 'range']) grid.denied.add(type);
    const { exitCode, warnings } = await doctor();
    expect([exitCode, warnings]).toEqual([0, []]);
  });

  test('a user who may not read ranges, if the network needs one', async () => {
    grid.denied.add('range');
    const { failures } = await doctor([netconf({ ipam: { rangeStart: '10.0.0.50' } })]);
    const line =
      /^network net-1.*, free addresses: user "admin" may not read range 10\.0\.0\.0\/24 .* -> give its role .*"All IPv4 DHCP Ranges"/;
    expect(failures).toEqual([expect.stringMatching(line)]);
  });

  test('a clock that is an hour off', async () => {
    grid.clockAhead = 3_600_000;
    await expectFailure(doctor(), /^grid, clock: this host's clock is 3\d\d\d s behind the grid's -> set both by NTP/);
  });

  test('a label that the grid does not define, as a warning', async () => {
    grid.add('extensibleattributedef', { name: 'VM ID', type: 'STRING' });
    const { exitCode, warnings } = await doctor(['--labels=Site=Paris', netconf()]);
    expect([exitCode, warnings]).toEqual([0, [expect.stringMatching(/--labels names .* define: Site -> define it/)]]);
  });
});

describe('doctor reports in a network', () => {
  test('a mistyped key', async () => {
    await expectFailure(
      doctor([netconf({ ipam: { gatway: '10.0.0.1' } })]),
      /^network configurations, files: .*unknown key ipam\.gatway .*did you mean ipam\.gateway\? -> Correct or remove the key/,
    );
  });

  test('a full network', async () => {
    grid.add('network', { network: '10.1.0.0/30' });
    for (const ipv4addr of ['10.1.0.1', '10.1.0.2']) {
      grid.add('fixedaddress', { ipv4addr, mac: '00:00:00:00:00:00', match_client: 'RESERVED' });
    }
    const line = /^network net-1, free addresses: none: 2 of 2 .* -> release addresses, or use a larger subnet$/;
    await expectFailure(doctor([netconf({ ipam: { subnet: '10.1.0.0/30', gateway: '10.1.0.1' } })]), line);
  });

  test('each of several sources', async () => {
    const comment = 'infoblox-cni range of network=net-1';
    const block = 'infoblox-cni cluster=cluster-1 node=host-b network=net-1 block=0123abcd.0000000000000001';
    grid.add('network', { network: '10.1.0.0/24' });
    grid.add('range', { start_addr: '10.1.0.10', end_addr: '10.1.0.11', comment });
    grid.add('range', { start_addr: '10.1.0.64', end_addr: '10.1.0.71', comment: block });
    for (const ipv4addr of ['10.1.0.10', '10.1.0.11']) {
      grid.add('fixedaddress', { ipv4addr, mac: '00:00:00:00:00:00', match_client: 'RESERVED' });
    }
    const of = (subnet: string, rangeStart: string, rangeEnd: string) => ({ subnet, rangeStart, rangeEnd });
    const sets = [
      [of('10.0.0.0/24', '10.0.0.50', '10.0.0.99'), of('10.1.0.0/24', '10.1.0.10', '10.1.0.11')],
      [of('10.1.0.0/24', '10.1.0.64', '10.1.0.79'), { subnet: '10.2.0.0/24' }],
      [{ subnet: 'fd00:18:1::/64' }],
    ];
    const found = await doctor([netconf({ ipam: { subnet: undefined, gateway: undefined, ranges: sets } })]);
    const about = (title: string) =>
      found.findings.filter((one) => one.title === title).map(({ group, message }) => `${group.slice(14)}: ${message}`);
    expect(about('free addresses')).toEqual([
      '(10.0.0.50-10.0.0.99 of 10.0.0.0/24): the first ADD makes a reserved range of 10.0.0.50-10.0.0.99',
      '(10.1.0.10-10.1.0.11 of 10.1.0.0/24): none: all addresses of 10.1.0.10-10.1.0.11 are used',
      '(10.1.0.64-10.1.0.79 of 10.1.0.0/24): hosts share it in blocks',
    ]);
    expect(about('host blocks').at(-1)).toBe(
      '(10.1.0.64-10.1.0.79 of 10.1.0.0/24): of 8 addresses; 0 of this host, 1 of others; room for 1',
    );
    expect(about('network').at(-1)).toBe(
      '(fd00:18:1::/64): not there yet: the first ADD creates fd00:18:1::/64 in view default',
    );
    expect(found.exitCode).toBe(1);
  });

  test('a DHCP range that covers it', async () => {
    grid.add('range', { start_addr: '10.0.0.1', end_addr: '10.0.0.254', server_association_type: 'MEMBER' });
    const line =
      /^network net-1, free addresses: none: 0 of 254 .* 254 lie in DHCP ranges .* -> shrink or remove these/;
    await expectFailure(doctor(), line);
  });

  test('a --block-size too large for it, unless its block-size is 0', async () => {
    grid.add('network', { network: '10.1.0.0/27' });
    const small = (ipam = {}) => netconf({ ipam: { subnet: '10.1.0.0/27', gateway: '10.1.0.1', ...ipam } });
    const { warnings } = await doctor(['--block-size=16', small()]);
    expect(warnings).toEqual([
      expect.stringMatching(/^network net-1, host blocks: none: --block-size 16 is more than/),
    ]);
    expect((await doctor(['--block-size=16', small({ 'block-size': 0 })])).warnings).toEqual([]);
  });

  test('a subnet that overlaps another network', async () => {
    const overlapping = netconf({ ipam: { subnet: '10.0.0.128/25', gateway: '10.0.0.129' } });
    const line =
      /^network net-1, network: 10\.0\.0\.128\/25 overlaps the network 10\.0\.0\.0\/24 in view default -> use /;
    await expectFailure(doctor([overlapping]), line);
  });

  test('a gateway that a container has', async () => {
    const comment = 'infoblox-cni cluster=cluster-1 node=host-b network=net-1 container=c9 interface=eth0';
    grid.add('fixedaddress', { ipv4addr: '10.0.0.1', mac: '00:00:00:00:00:00', match_client: 'RESERVED', comment });
    await expectFailure(
      doctor(),
      /^network net-1, gateway: 10\.0\.0\.1 is held by a container -> choose another gateway/,
    );
  });

  test('a missing view, as a warning', async () => {
    const { exitCode, warnings } = await doctor([netconf({ ipam: { 'network-view': 'priv' } })]);
    expect([exitCode, warnings]).toEqual([
      0,
      [expect.stringMatching(/^network net-1, view: the grid has no view priv/)],
    ]);
  });

  test('a gateway that several hosts claim, as a warning', async () => {
    const comment = 'infoblox-cni cluster=cluster-1 node=host-b network=net-1 container=c9 interface=eth0';
    grid.add('fixedaddress', { ipv4addr: '10.0.0.9', mac: '00:00:00:00:00:00', match_client: 'RESERVED', comment });
    const { exitCode, warnings } = await doctor([netconf({ isGateway: true })]);
    const line =
      /^network net-1, other hosts: host-b in cluster-1 has .* isGateway puts 10\.0\.0\.1 on each host -> let a/;
    expect([exitCode, warnings]).toEqual([0, [expect.stringMatching(line)]]);
  });
});
