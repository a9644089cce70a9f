/** The Debian package under systemd restarts the running service without losing a call. */
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { controlGroups } from '../../../fixture/control-group.ts';
import { until } from '../../../fixture/host.ts';
import { type Grid, startGrid } from '../../../simulator/grid.ts';
import { deb, leftOut, madePackages, nextDeb, packageTimeoutMs } from './packages.ts';
import { ThrowawayRoot } from './throwaway-root.ts';

const plugin = '/usr/lib/cni/infoblox';
const service = 'infoblox-cni-daemon';
const dpkg = 'dpkg --force-unsafe-io';
const hasSystemd = spawnSync('/lib/systemd/systemd', ['--version']).status === 0 && controlGroups() !== undefined;
if (!hasSystemd) {
  process.stderr.write(
    'left out: no package is upgraded under a systemd, here is none, or no cgroup2 that can be written to\n',
  );
}

describe.skipIf(leftOut || !hasSystemd)('the Debian package under systemd', () => {
  let root: ThrowawayRoot;
  let grid: Grid;

  beforeAll(async () => {
    if (leftOut || !hasSystemd) return;
    grid = await startGrid();
    root = await ThrowawayRoot.startWithSystemd(await madePackages());
  }, packageTimeoutMs);
  afterAll(async () => {
    await root?.stop();
    await grid?.stop();
  });

  async function call(command: string, container: string): Promise<unknown> {
    const ipam = { type: 'infoblox', subnet: '10.0.0.0/24', gateway: '10.0.0.1' };
    const config = { cniVersion: '1.1.0', name: 'net-1', type: 'bridge', ipam };
    const attachment = { CNI_CONTAINERID: container, CNI_IFNAME: 'eth0', CNI_NETNS: '/run/netns/none' };
    const env = { CNI_COMMAND: command, CNI_PATH: '/usr/lib/cni', ...attachment };
    const { stdout } = await root.execute([plugin], env, JSON.stringify(config));
    return stdout === '' ? undefined : JSON.parse(stdout);
  }

  const isGiven = (result: unknown) => JSON.stringify(result ?? null).includes('"address":"10.0.0.');
  const property = async (name: string) => (await root.succeed(`systemctl show ${service} --value -p ${name}`)).trim();

  test('starts nothing before it is configured, and serves once the operator starts it', async () => {
    await root.succeed(`${dpkg} --install /packages/${deb}`);
    expect(await property('ActiveState')).toBe('inactive');
    const flags = `--grid-host=${grid.host} --wapi-port=${grid.port} --wapi-username=${grid.username} --node-name=host-1`;
    await root.succeed(`
      echo "DAEMON_FLAGS='${flags}'" >/etc/infoblox-cni/daemon.env
      echo '${grid.password}' >/etc/infoblox-cni/wapi-password
      systemctl enable --now ${service}`);
    expect(isGiven(await call('ADD', 'first'))).toBe(true);
    expect(await call('DEL', 'first')).toBeUndefined();
  });

  test('is upgraded under a stream of ADDs and DELs without losing one, and restarts the daemon', async () => {
    const before = await property('MainPID');
    const failures: unknown[] = [];
    let isOver = false;
    let calls = 0;
    const stream = async (worker: number) => {
      for (let n = 0; !isOver; n += 1) {
        const added = await call('ADD', `c-${worker}-${n}`);
        if (!isGiven(added)) failures.push(added);
        const deleted = await call('DEL', `c-${worker}-${n}`);
        if (deleted !== undefined) failures.push(deleted);
        calls += 2;
      }
    };
    const streams = [1, 2].map(stream);
    await until('calls are made', () => calls >= 4);
    const upgraded = await root.run(`${dpkg} --install /packages/${nextDeb}`);
    const during = calls;
    await until('calls are made afterwards', () => calls >= during + 8);
    isOver = true;
    await Promise.all(streams);
    expect(upgraded.status, upgraded.output).toBe(0);
    expect(failures).toEqual([]);
    expect(await property('ActiveState')).toBe('active');
    expect(await property('MainPID')).not.toBe(before);
    await until('all is given back', () => grid.fixedAddresses().length === 1);
  });

  test('is installed even if the service does not start again, and reports it', async () => {
    await root.succeed(
      'cp /etc/infoblox-cni/daemon.env /run/daemon.env; echo "DAEMON_FLAGS=--grid-hots=x" >/etc/infoblox-cni/daemon.env',
    );
    const output = await root.succeed(`${dpkg} --install /packages/${nextDeb}`);
    expect(output).toContain(`${service}.service does not restart; see journalctl -u ${service}.service`);
    expect(await root.succeed('dpkg --status infoblox-cni')).toContain('Status: install ok installed');
    await root.succeed(`cp /run/daemon.env /etc/infoblox-cni/daemon.env; systemctl restart ${service}`);
  });

  test('stops the service and its socket on removal, is enabled after a new installation, and not after a purge', async () => {
    await root.succeed(`${dpkg} --remove infoblox-cni`);
    expect((await root.run(`systemctl is-active ${service} infoblox-cni.socket`)).output).toBe('inactive\ninactive\n');
    await root.succeed(`${dpkg} --install /packages/${deb}`);
    expect(await root.succeed(`systemctl is-enabled ${service}`)).toBe('enabled\n');
    await root.succeed(`${dpkg} --purge infoblox-cni`);
    expect((await root.run(`find /etc/systemd/system -name 'infoblox-cni*'`)).output).toBe('');
  });
});
