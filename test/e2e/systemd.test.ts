/** The shipped unit under a real systemd: socket activation, watchdog, and work inside the sandbox. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readMachine } from '../../src/modes/daemon/host/this-host.ts';
import { Collector } from '../fixture/collector.ts';
import { until } from '../fixture/host.ts';
import { type Grid, startGrid } from '../simulator/grid.ts';
import { SystemdLab } from './systemd-lab.ts';

const service = 'infoblox-cni-daemon';
/** Flags with an address without a listener: these tests need no grid. */
const flags =
  '--grid-host=127.0.0.1 --wapi-port=4443 --wapi-username=admin --node-name=lab --log-format=text --add-timeout=1s';
const patience = 60_000;

const lab = await SystemdLab.start();
afterAll(() => lab?.stop());

/** Calls STATUS. @returns the plugin's output */
const status = () => call('STATUS');
/** That of a daemon which finds the grid unavailable. A daemon that does not run has the same code. */
const noGrid = { code: 50, msg: expect.stringContaining('grid') };

async function call(command: string, netns = '', container = 'c1'): Promise<unknown> {
  const ipam = { type: 'infoblox', subnet: '10.0.0.0/24', gateway: '10.0.0.1' };
  const config = { cniVersion: '1.1.0', name: 'net-1', type: 'bridge', ipam };
  const attachment = { CNI_CONTAINERID: container, CNI_IFNAME: 'eth0', CNI_NETNS: netns };
  const env = { CNI_COMMAND: command, CNI_PATH: '/usr/local/bin', ...attachment };
  const printed = (await lab?.run(['/usr/local/bin/infoblox'], env, JSON.stringify(config)))?.stdout;
  return printed ? JSON.parse(printed) : undefined;
}

describe.skipIf(lab === undefined)('the service as it is shipped', () => {
  if (lab === undefined) return;

  beforeAll(async () => {
    lab.settings(flags, 'secret');
    expect((await lab.systemctl('start', service)).exitCode).toBe(0);
  });

  test('counts as started when its socket answers', async () => {
    expect(await status()).toMatchObject(noGrid);
    expect(await lab.property('ActiveState')).toBe('active');
    expect(await lab.property('NRestarts')).toBe('0');
  });

  test('can have a user of its own, who owns only the state and its epoch', async () => {
    const pid = await lab.property('MainPID');
    expect((await lab.run(['ps', '-o', 'user:20=', '-p', pid])).stdout.trim()).toBe('infoblox-cni');
    const owned = await lab.run(['find', '/run/cni', '/var/lib/infoblox-cni', '-user', 'infoblox-cni']);
    const elsewhere = owned.stdout
      .trim()
      .split('\n')
      .filter((path) => !path.startsWith('/var/lib/infoblox-cni'));
    expect(elsewhere).toEqual(['/run/cni/infoblox.owed/.epoch']);
    const socket = await lab.run(['stat', '-c', '%U:%G %a', '/run/cni/infoblox.sock']);
    expect(socket.stdout.trim()).toBe('root:root 600');
  });

  test('has its password as a credential, and no capabilities', async () => {
    expect(lab.log).not.toContain('WAPI password');
    const state = (await lab.run(['cat', `/proc/${await lab.property('MainPID')}/status`])).stdout;
    expect(state).toMatch(/^CapBnd:\t0+$/m);
    expect(state).toMatch(/^CapEff:\t0+$/m);
    expect(state).toMatch(/^Seccomp:\t2$/m);
  });

  test('can write only to its state and the directory of its socket', async () => {
    const mounts = (await lab.run(['cat', `/proc/${await lab.property('MainPID')}/mounts`])).stdout;
    const writable = mounts.split('\n').flatMap((line) => /^\S+ (\S+) \S+ rw\b/.exec(line)?.[1] ?? []);
    const kernel = /^\/(proc|sys|dev)(\/|$)/;
    const own = ['/run/cni', '/tmp', '/var/lib/infoblox-cni', '/var/tmp'];
    expect(writable.filter((place) => !kernel.test(place)).sort()).toEqual(own);
  });

  test('sees a network namespace that the host makes after its start', async () => {
    expect(await lab.run(['ip', 'netns', 'add', 'later'])).toMatchObject({ exitCode: 0 });
    try {
      const look = [
        'nsenter',
        '-t',
        await lab.property('MainPID'),
        '-m',
        '-U',
        '--',
        'stat',
        '-f',
        '-c',
        '%T',
        '/run/netns/later',
      ];
      await until('it is there', async () => (await lab.run(look)).stdout.trim() === 'nsfs', patience);
    } finally {
      await lab.run(['ip', 'netns', 'del', 'later']);
    }
  });
});

describe.skipIf(lab === undefined)('the service', () => {
  if (lab === undefined) return;

  beforeEach(async () => {
    await lab.systemctl('stop', service);
    await lab.systemctl('reset-failed', service);
    lab.settings(flags, 'secret');
    await lab.configure('');
    lab.forget();
  });

  const isGiven = (result: unknown) => JSON.stringify(result ?? null).includes('"address":"10.0.0.');

  test('gives and releases addresses inside its sandbox, also after a restart', async () => {
    const grid = await startGrid();
    try {
      const here = `--grid-host=${grid.host} --wapi-port=${grid.port} --wapi-username=${grid.username} --node-name=lab`;
      lab.settings(`${here} --metrics-listen=:0`, grid.password);
      await lab.systemctl('start', service);
      const netns = '/run/netns/c1';
      await lab.run(['ip', 'netns', 'add', 'c1']);
      const given = { ips: [{ address: '10.0.0.2/24', gateway: '10.0.0.1' }] };
      expect(await call('ADD', netns)).toMatchObject(given);
      expect((await lab.systemctl('restart', service)).exitCode).toBe(0);
      expect(await call('ADD', netns)).toMatchObject(given);
      expect(await call('DEL', netns)).toBeUndefined();
      await until('it is given back', () => grid.fixedAddresses().length === 1);
      expect(grid.fixedAddresses().map(({ ipv4addr }) => ipv4addr)).toEqual(['10.0.0.1']);
      expect(lab.log).not.toMatch(/ error /);
    } finally {
      await lab.run(['ip', 'netns', 'del', 'c1']);
      await lab.systemctl('stop', service);
      await grid.stop();
    }
  });

  test('exports traces out of its sandbox, to the collector that daemon.env names', async () => {
    const collector = await Collector.start();
    try {
      lab.settings(flags, 'secret', `OTEL_EXPORTER_OTLP_ENDPOINT=${collector.endpoint}\n`);
      await lab.systemctl('start', service);
      expect(await status()).toMatchObject(noGrid);
      await lab.systemctl('stop', service);
      expect(collector.named('STATUS')).toMatchObject([{ attributes: { 'cni.code': 50 } }]);
    } finally {
      await collector.stop();
    }
  });

  /** Runs with a grid that the service uses, and stops both. */
  async function withGrid(use: (grid: Grid) => Promise<void>): Promise<void> {
    if (lab === undefined) return;
    const grid = await startGrid();
    try {
      const here = `--grid-host=${grid.host} --wapi-port=${grid.port} --wapi-username=${grid.username} --node-name=lab`;
      lab.settings(here, grid.password);
      await lab.systemctl('start', service);
      await use(grid);
    } finally {
      await lab.systemctl('stop', service);
      await grid.stop();
    }
  }

  test('loses no call of a stream of ADDs and DELs during repeated restarts', async () => {
    await withGrid(async (grid) => {
      const failures: unknown[] = [];
      let isOver = false;
      let calls = 0;
      const stream = async (worker: number) => {
        for (let n = 0; !isOver; n += 1) {
          for (const command of ['ADD', 'DEL']) {
            const result = await call(command, '/run/netns/none', `c-${worker}-${n}`);
            calls += 1;
            const isFine = command === 'DEL' ? result === undefined : isGiven(result);
            if (!isFine) failures.push(result);
          }
        }
      };
      const streams = [1, 2, 3, 4, 5, 6].map(stream);
      for (let restart = 0; restart < 4 || calls < 30; restart += 1) {
        // This is like an upgrade.
        if (restart % 2 === 1) await lab.systemctl('daemon-reload');
        const { exitCode } = await lab.systemctl('restart', service);
        expect(exitCode).toBe(0);
      }
      isOver = true;
      await Promise.all(streams);
      expect(failures).toEqual([]);
      await until('all is given back', () => grid.fixedAddresses().length === 1, patience);
    });
  });

  test('takes over notes of plugins from before its start without being root', async () => {
    await withGrid(async (grid) => {
      expect(isGiven(await call('ADD', '/run/netns/none'))).toBe(true);
      await lab.systemctl('stop', 'infoblox-cni.socket', service);
      expect(await call('DEL', '/run/netns/none')).toBeUndefined();
      expect((await lab.run(['ls', '/run/cni/infoblox.owed'])).stdout).toMatch(/\.json$/m);
      await lab.systemctl('start', service);
      await until('it is given back', () => grid.fixedAddresses().length === 1, patience);
      expect((await lab.run(['ls', '/run/cni/infoblox.owed'])).stdout).toBe('');
    });
  });

  test('takes over no note forged under its own user, even after systemd has made the directory again', async () => {
    await withGrid(async (grid) => {
      for (const id of ['c1', 'c2']) expect(isGiven(await call('ADD', '/run/netns/none', id))).toBe(true);
      await lab.systemctl('stop', 'infoblox-cni.socket', service);
      expect(await call('DEL', '/run/netns/none', 'c1')).toBeUndefined();
      const forge = 'cd /run/cni/infoblox.owed && umask 027 && sed s/c1/c2/g *.json >forged.json';
      const asService = [
        'setpriv',
        '--reuid=infoblox-cni',
        '--regid=infoblox-cni',
        '--clear-groups',
        'sh',
        '-c',
        forge,
      ];
      expect(await lab.run(asService)).toMatchObject({ exitCode: 0, stderr: '' });
      await lab.systemctl('start', service);
      await until('c1 is given back', () => grid.fixedAddresses().length === 2, patience);
      const left = await lab.run(['sh', '-c', 'cd /run/cni/infoblox.owed && stat -c "%n %U" *']);
      expect(left.stdout).toBe('forged.json.unreadable infoblox-cni\n');
      expect(lab.log).toContain('unreadable release note set aside');
      await lab.run(['rm', '/run/cni/infoblox.owed/forged.json.unreadable']);
      expect(await call('DEL', '/run/netns/none', 'c2')).toBeUndefined();
      await until('c2 is given back', () => grid.fixedAddresses().length === 1, patience);
    });
  });

  test('sets aside the state of a cloned host by the hardware UUID, which only root may read', async () => {
    const uuid = (text: string) => writeFileSync(join(lab.directory, 'product_uuid'), text, { mode: 0o400 });
    const isSetAside = async () => lab.log.includes('state file set aside');
    const start = () => lab.systemctl('restart', service);
    uuid('4C4C4544-0042-3510-8052-B4C04F4E5931\n');
    await start();
    const productUuid = join(lab.directory, 'product_uuid');
    const { hardware } = readMachine({ machineId: '', productUuid, hardware: '' });
    const handedOver = await lab.run(['sh', '-c', 'stat -c "%U:%G %a" $0 && cat $0', '/run/infoblox-cni-hardware']);
    expect(handedOver.stdout).toBe(`root:infoblox-cni 440\n${hardware}\n`);
    await start();
    expect(await isSetAside()).toBe(false);
    uuid('4c4c4544-0042-3510-8052-b4c04f4e5932\n');
    await start();
    expect(lab.log).toMatch(/state file set aside.*written on other hardware/);
    // A placeholder of the firmware identifies no machine.
    lab.forget();
    uuid('FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF\n');
    await start();
    expect((await lab.run(['ls', '/run/infoblox-cni-hardware'])).exitCode).not.toBe(0);
    expect(await isSetAside()).toBe(false);
  });

  /** The relevant parts of the former unit, without one for the socket: the daemon of root made socket and notes itself. */
  const unitWithoutSocket = `[Unit]
[Service]
Type=notify
OpenFile=/run/systemd/notify:notify
EnvironmentFile=/etc/infoblox-cni/daemon.env
LoadCredential=wapi-password:/etc/infoblox-cni/wapi-password
ExecStart=/usr/local/bin/infoblox-cni-daemon $DAEMON_FLAGS
RuntimeDirectory=cni
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
StateDirectory=infoblox-cni
StateDirectoryMode=0700
UMask=0077
`;

  test('takes over leases and notes from a daemon of root without a socket unit', async () => {
    await lab.systemctl('stop', service, 'infoblox-cni.socket');
    await lab.run(['rm', '-r', '/run/cni', '/var/lib/infoblox-cni']);
    await lab.replaceUnit(unitWithoutSocket);
    try {
      await withGrid(async (grid) => {
        const given = await call('ADD', '/run/netns/none', 'c1');
        expect(isGiven(given)).toBe(true);
        expect(isGiven(await call('ADD', '/run/netns/none', 'c2'))).toBe(true);
        expect((await lab.run(['stat', '-c', '%U', '/var/lib/infoblox-cni/state.db'])).stdout).toBe('root\n');
        await lab.systemctl('stop', service);
        expect(await call('DEL', '/run/netns/none', 'c2')).toBeUndefined();
        const notes = await lab.run(['stat', '-c', '%a %G', '/run/cni/infoblox.owed']);
        expect(notes.stdout).toBe('700 root\n');

        await lab.replaceUnit();
        expect((await lab.systemctl('restart', service)).exitCode).toBe(0);
        expect((await lab.run(['stat', '-c', '%U', '/var/lib/infoblox-cni/state.db'])).stdout).toBe('infoblox-cni\n');
        expect(await call('ADD', '/run/netns/none', 'c1')).toEqual(given);
        // The addresses of the gateway and of c1.
        await until('c2 is given back', () => grid.fixedAddresses().length === 2, patience);
        expect((await lab.run(['ls', '/run/cni/infoblox.owed'])).stdout).toBe('');
        expect(await call('DEL', '/run/netns/none', 'c1')).toBeUndefined();
        await until('c1 is given back', () => grid.fixedAddresses().length === 1, patience);
      });
    } finally {
      await lab.replaceUnit();
    }
  });

  test('reports an empty password file', async () => {
    lab.settings(flags, '');
    expect((await lab.systemctl('start', service)).exitCode).toBe(0);
    expect(lab.log).toMatch(/no WAPI password given: .*into \S+\/wapi-password, then: systemctl restart/);
  });

  test('sees the namespaces of other processes only with the drop-in of docs/operations.md', async () => {
    const hidden = 'cannot see the network namespace of a container';
    const sleeper = await lab.run(['sh', '-c', 'unshare --net sleep 300 > /dev/null 2>&1 & echo $!']);
    const container = sleeper.stdout.trim();
    try {
      await lab.systemctl('start', service);
      expect(await call('ADD', `/proc/${container}/ns/net`)).toMatchObject({ code: 11 });
      expect(lab.log).toContain(hidden);
      const page = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8');
      await lab.configure(/## Runtimes that name \/proc.*?```ini\n\[Service\]\n(.*?)```/s.exec(page)?.[1] ?? '');
      expect((await lab.systemctl('restart', service)).exitCode).toBe(0);
      lab.forget();
      expect(await call('ADD', `/proc/${container}/ns/net`)).toMatchObject({ code: 11 });
      expect(lab.log).toContain('ADD failed');
      expect(lab.log).not.toContain(hidden);
    } finally {
      await lab.run(['kill', container]);
    }
  });

  test('is restarted if its event loop stops, and only then', async () => {
    await lab.configure('WatchdogSec=3\nRestartSec=100ms');
    await lab.systemctl('start', service);
    const first = await lab.property('MainPID');
    const signs = new Set<string>();
    await until(
      'it has shown life four times',
      async () => signs.add(await lab.property('WatchdogTimestampMonotonic')).size >= 4,
      patience,
    );
    expect([await lab.property('MainPID'), await lab.property('NRestarts')]).toEqual([first, '0']);
    // A stopped process runs no event loop.
    await lab.run(['kill', '-STOP', first]);
    await until('it was started again', async () => (await lab.property('NRestarts')) !== '0', patience);
    await until('the new one serves', async () => (await lab.property('ActiveState')) === 'active', patience);
    expect(await lab.property('MainPID')).not.toBe(first);
    expect(await status()).toMatchObject(noGrid);
  });

  test('serves again after a removal of its socket’s directory, which it cannot make itself', async () => {
    await lab.configure('RestartSec=100ms');
    await lab.systemctl('start', service);
    const first = await lab.property('MainPID');
    expect(await lab.run(['rm', '-r', '/run/cni'])).toMatchObject({ exitCode: 0 });
    await until('it gives up', () => lab.log.includes('cannot serve any more, exiting'), patience);
    expect(lab.log).toContain('/run/cni/infoblox.sock again. Run systemctl restart infoblox-cni.socket.');
    // Not NRestarts: the restart of the socket restarts the service, too, which sets it to 0.
    const isAnother = async () => !['0', first].includes(await lab.property('MainPID'));
    await until('it was started again', isAnother, patience);
    await until('it serves', async () => lab.log.split('info  listening').length > 2, patience);
    expect(await status()).toMatchObject(noGrid);
  });

  test('fails to restart with a wrong flag, logs the reason, and is not retried', async () => {
    await lab.systemctl('start', service);
    lab.settings(`${flags} --grid-hots=x`, 'secret');
    await lab.configure('RestartSec=100ms');
    expect((await lab.systemctl('restart', service)).exitCode).not.toBe(0);
    expect(lab.log).toContain('unknown flag --grid-hots; did you mean --grid-host?');
    expect(await lab.property('ActiveState')).toBe('failed');
    expect(await lab.property('NRestarts')).toBe('0');
  });

  test('fails to restart without its file of certificates, logs the reason, and starts when that exists', async () => {
    lab.settings(`${flags} --ssl-verify=/run/ca.pem`, 'secret');
    await lab.configure('RestartSec=100ms');
    expect((await lab.systemctl('restart', service)).exitCode).not.toBe(0);
    expect(lab.log).toMatch(/--ssl-verify .*there is no /);
    lab.settings(flags, 'secret');
    await until('it serves', async () => (await lab.property('ActiveState')) === 'active', patience);
  });

  test('also starts under a systemd without OpenFile=, through systemd-notify', async () => {
    await lab.configure('OpenFile=\nNotifyAccess=all');
    expect((await lab.systemctl('start', service)).exitCode).toBe(0);
    expect(await status()).toMatchObject(noGrid);
  });
});
