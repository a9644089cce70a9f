/** The command lines of an operator: their help, their errors, and whose flags a command uses. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { askDaemon } from '../../../../src/modes/operator/daemon-connection.ts';
import { OperatedHost, operate } from '../../../fixture/operator.ts';
import { startGrid } from '../../../simulator/grid.ts';

test('a command for the grid uses the flags of the running daemon if there is no environment file', async () => {
  const grid = await startGrid();
  const host = new OperatedHost(grid, { flags: ['--labels=Site=Paris', '--wapi-password='] });
  try {
    const file = join(host.directory, 'password');
    writeFileSync(file, grid.password, { mode: 0o600 });
    host.flags.push(`--wapi-password-file=${file}`);
    await host.start();
    const asked = await host.command('ea-defs');
    expect([asked.exitCode, asked.stdout]).toEqual([0, expect.stringMatching(/^Site +STRING +no /m)]);
    expect((await host.command('ea-defs', '--labels=Team=a')).stdout).not.toContain('Site');
    const { flags } = await askDaemon({ socket: host.socket, method: 'operator/flags', params: {} });
    expect(flags).toMatchObject({ 'grid-host': '127.0.0.1', 'wapi-password-file': file });
    expect(flags).not.toHaveProperty('wapi-password');
  } finally {
    await host.dispose();
    await grid.stop();
  }
});

test('the error for a wrong command line suggests the intended one', async () => {
  const typed = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await operate(...args);
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
});

test('every command has a help with examples and grouped flags', async () => {
  const { stdout: list } = await operate('help');
  const names = [...list.matchAll(/^ {2}([a-z-]+) {2,}\S/gm)].map(([, name]) => name ?? '');
  expect(names).toContain('status');
  for (const name of names) {
    const { exitCode, stdout } = await operate(name, '--help');
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(new RegExp(`^Usage: infoblox-cni ${name}`, 'm'))]);
    expect(stdout).toMatch(/^Examples:\n {2}infoblox-cni /m);
    expect(stdout).toMatch(/^ {2}--help\n/m);
    expect((await operate('help', name)).stdout).toBe(stdout);
  }
});
