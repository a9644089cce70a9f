/** Commands of the built executable at a terminal: their width, their questions, their progress, and signals. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { attachmentMark } from '../../../src/infoblox/mark.ts';
import { until } from '../../fixture/host.ts';
import { type Grid, startGrid } from '../../simulator/grid.ts';
import { daemonFile } from '../program.ts';
import { OperatorHost } from './operator-host.ts';
import { atTerminal } from './terminal.ts';

let grid: Grid;
let host: OperatorHost;

beforeAll(async () => {
  grid = await startGrid({ attributes: ['Reserved At'] });
  grid.add('network', { network: '10.9.0.0/16' });
  host = await new OperatorHost(grid).start();
});
afterAll(async () => {
  await host?.dispose();
  await grid?.stop();
});

test.each([80, 120])('no line is wider than a terminal of %i columns, and no address is shortened', async (columns) => {
  const containerId = 'a'.repeat(60).concat('b'.repeat(60));
  const pod = `K8S_POD_NAMESPACE=${'n'.repeat(50)};K8S_POD_NAME=${'p'.repeat(60)}`;
  await host.add(containerId, { args: pod });
  const commands = [['leases'], ['leases', '--history=10.0.0.2'], ['status'], ['leases', '--help'], ['--help']];
  for (const args of commands) {
    const { screen } = await atTerminal([...args, `--socket-dir=${host.socketDir}`], [], columns);
    const widest = Math.max(...screen.split('\r\n').map((line) => line.length));
    expect([args, widest]).toEqual([args, expect.toSatisfy((width: number) => width > 40 && width <= columns)]);
    if (args.join() === 'leases') expect(screen).toMatch(/^10\.0\.0\.2 +bound /m);
  }
  expect((await host.command('leases')).stdout).toContain(`${'n'.repeat(50)}/${'p'.repeat(60)}`);
});

describe('gc --host', () => {
  const args = () => ['gc', '--host=host-9', `--socket-dir=${host.socketDir}`];
  const minute = 60_000;
  const hour = 60 * minute;
  const ofLostHost = () => grid.fixedAddresses().filter(({ ipv4addr }) => ipv4addr.startsWith('10.9.'));
  const deletes = () => grid.requests.filter(({ method }) => method === 'DELETE').length;

  /** Reserves addresses like the daemon of a host that is lost. */
  function leave(count: number, ageMs: number): void {
    const reservedAt = { value: new Date(Date.now() - ageMs).toISOString() };
    for (let last = 1; last <= count; last += 1) {
      const attachment = { network: 'net-1', containerId: `lost-${last}`, ifName: 'eth0' };
      grid.add('fixedaddress', {
        ipv4addr: `10.9.0.${last}`,
        mac: '00:00:00:00:00:00',
        match_client: 'RESERVED',
        comment: attachmentMark({ cluster: 'cluster-1', node: 'host-9' }, attachment),
        extattrs: { 'Reserved At': reservedAt },
      });
    }
  }

  afterEach(() => {
    for (const { _ref } of ofLostHost()) grid.remove(_ref);
    grid.latencyMs = 0;
    grid.clearLog();
  });

  test.each([
    ['y\n', 0],
    ['\n', 1],
    ['\u0003', 1],
    ['\u0004', 1],
  ])('asks before the release: answered with %j', async (type, left) => {
    leave(1, 2 * hour);
    const { exitCode, screen } = await atTerminal(args(), [{ when: /Release 1 address of host-9\? \[y\/N\] /, type }]);
    expect([exitCode, ofLostHost().length]).toEqual([left, left]);
    if (left > 0) expect(screen).toMatch(/nothing is released/);
  });

  test.each([
    ['host-9\n', 0],
    ['y\n', 1],
  ])('asks for the name if the host may be alive: answered with %j', async (type, left) => {
    leave(1, minute);
    const answers = [
      { when: /reserved an address 1m ago, so it may be alive\.\s[^:]*Type its name to release 1 address: /, type },
    ];
    const { exitCode } = await atTerminal(args(), answers);
    expect([exitCode, ofLostHost().length]).toEqual([left, left]);
  });

  test('spares a reservation that was changed after it was shown', async () => {
    leave(1, 2 * hour);
    const run = () => grid.update(ofLostHost()[0]?._ref ?? '', { comment: 'kept for the audit' });
    const { exitCode, screen } = await atTerminal(args(), [{ when: /\[y\/N\] /, type: 'y\n', run }]);
    expect([exitCode, ofLostHost().length]).toEqual([1, 1]);
    expect(screen).toMatch(/not released: 10\.9\.0\.1: it was removed or altered meanwhile/);
    expect(deletes()).toBe(0);
  });

  test('shows its progress in a bar', async () => {
    leave(60, 2 * hour);
    grid.latencyMs = 100;
    const { screen } = await atTerminal([...args(), '--yes'], []);
    expect(screen).toMatch(/releasing \d+ of 60 \[#+ *\]/);
    expect(screen).toMatch(/\.\.\. and 20 more: --dry-run shows them all/);
    expect(screen).toMatch(/released 60 of 60 addresses of host-9/);
  });

  test('stops between two deletes if interrupted, and continues if repeated', async () => {
    leave(120, 2 * hour);
    grid.latencyMs = 50;
    const child = spawn(daemonFile, [...args(), '--yes'], { env: {} });
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    await until('some deletes', () => deletes() > 8);
    child.kill('SIGINT');
    expect(await once(child, 'close')).toEqual([1, null]);
    const [, done = ''] = /^stopped after (\d+) of 120 addresses of host-9: interrupted$/m.exec(stdout) ?? [];
    expect(stdout).toMatch(/^run it again for the rest$/m);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const left = ofLostHost().length;
    expect(120 - left - Number(done)).toBeGreaterThanOrEqual(0);
    expect(120 - left - Number(done)).toBeLessThanOrEqual(8);
    grid.latencyMs = 0;
    const { stdout: rest } = await host.command('gc', '--host=host-9', '--yes');
    expect(rest).toMatch(new RegExp(`^released ${left} of ${left} addresses`, 'm'));
    expect(ofLostHost()).toEqual([]);
  });
});
