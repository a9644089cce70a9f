/** A host as `status` shows it to an operator, with and without a daemon. */
import { writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { startFakeDaemon } from '../../../fixture/fake-daemon.ts';
import { until } from '../../../fixture/host.ts';
import { OperatedHost, operate, useOperatedHost } from '../../../fixture/operator.ts';
import { startGrid } from '../../../simulator/grid.ts';

const fixture = useOperatedHost();

describe('status', () => {
  test('shows on one screen that a host is well, and its leases', async () => {
    await fixture.host.add('c1');
    const { exitCode, stdout, stderr } = await fixture.host.command('status');
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
    fixture.grid.add('network', { network: '10.9.0.0/16' });
    await fixture.host.add('c1', { config: { name: 'wide' }, ipam: { subnet: '10.9.0.0/16', gateway: undefined } });
    const { stdout } = await fixture.host.command('status', '--json');
    expect(JSON.parse(stdout).networks).toMatchObject([{ name: 'wide', bound: 1, total: 65_534, used: 1 }]);
  });

  test('does not report a refused certificate as verified', async () => {
    const other = await startGrid();
    const wary = await new OperatedHost(fixture.grid, { flags: [`--ssl-verify=${other.caFile}`] }).start();
    try {
      await until('the grid was asked', async () => /not accepted/.test((await wary.command('status')).stdout));
      expect((await wary.command('status')).stdout).toMatch(/^grid .*; CERTIFICATE NOT\s+ACCEPTED$/m);
    } finally {
      await wary.dispose();
      await other.stop();
    }
  });

  test('fails during an outage with status, reason and fix', async () => {
    await fixture.host.stop();
    fixture.host.flags.push('--add-timeout=1s');
    await fixture.host.start();
    await fixture.grid.pause();
    await expect(fixture.host.add('c1')).rejects.toThrow('cannot connect to the grid');
    const { exitCode, stdout } = await fixture.host.command('status');
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^NOT WELL: grid-unavailable\n/);
    expect(stdout).toMatch(/^ {2}grid-unavailable for \d+s: cannot connect to the grid .*\n {4}fix: .+/m);
    expect(stdout).toMatch(/^Last errors\n {2}\d{4}-.*(ADD failed|grid unavailable)/m);
    const { stdout: json } = await fixture.host.command('status', '--json');
    const isTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(JSON.parse(json)).toMatchObject({
      startedAt: isTime,
      conditions: [{ kind: 'grid-unavailable', since: isTime, hint: expect.any(String) }],
    });
    const probe = async (kind: string) => fixture.host.command('status', `--probe=${kind}`);
    expect(await probe('live')).toMatchObject({ exitCode: 0, stdout: 'ok\n', stderr: '' });
    const isReason = expect.stringMatching(/^infoblox-cni status: cannot connect to the grid .*\. See whether /);
    expect(await probe('ready')).toMatchObject({ exitCode: 1, stdout: '', stderr: isReason });
  });

  test('answers a probe with ok when the next ADD can be served', async () => {
    await until(
      'the grid has answered',
      async () => (await fixture.host.command('status', '--probe=ready')).stdout === 'ok\n',
    );
  });
});

test('a host without a daemon is reported with a status of its own', async () => {
  await fixture.host.stop();
  for (const command of [['status'], ['status', '--probe=live'], ['leases'], ['gc'], ['release', 'c111']]) {
    const { exitCode, stdout, stderr } = await fixture.host.command(command[0] ?? '', ...command.slice(1));
    expect([exitCode, stdout]).toEqual([3, '']);
    expect(stderr).toMatch(
      /: infoblox-cni-daemon is not running: nothing listens at .*\. Start it: systemctl start .* or the flags of the command\.$/m,
    );
  }
});

test('a daemon that hangs, or dies during an answer, is reported as not answering', async () => {
  await fixture.host.stop();
  const faults: [RegExp, (socket: Socket) => void][] = [
    [/the daemon at .* did not accept the call within 3 s\. It hangs; restart it: /, () => undefined],
    [/the daemon at .* ended the connection without an answer\. See its log/, (socket) => socket.destroy()],
  ];
  for (const [message, serve] of faults) {
    const daemon = await startFakeDaemon(fixture.host.socket, serve);
    const { exitCode, stderr, milliseconds } = await fixture.host.command('status');
    await daemon.stop();
    expect([exitCode, stderr]).toEqual([3, expect.stringMatching(message)]);
    expect(milliseconds).toBeLessThan(8_000);
  }
});

test('the daemon is found through its environment file', async () => {
  const file = join(fixture.host.directory, 'daemon.env');
  writeFileSync(
    file,
    `# comment\nDAEMON_FLAGS='--socket-dir=${fixture.host.socketDir} --labels="Site=Paris,Owner=Network team"'\n`,
  );
  expect(await operate('status', '--probe=live', `--environment-file=${file}`)).toMatchObject({
    exitCode: 0,
    stdout: 'ok\n',
  });
  const { exitCode, stderr } = await operate('status', '--environment-file=/nonexistent/daemon.env');
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringMatching(/cannot read \/nonexistent\/daemon\.env: .*\. Check --environment-file/),
  ]);
});
