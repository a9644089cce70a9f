/** The shipped unit under a real systemd: started when the socket answers, watched, and able to do its work in its sandbox. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { until } from '../fixture/host.ts';
import { SystemdLab } from './systemd-lab.ts';

const service = 'infoblox-cni-daemon';
/** Where nobody listens: none of this needs a grid. */
const flags =
  '--grid-host=127.0.0.1 --wapi-port=4443 --wapi-username=admin --node-name=lab --log-format=text --add-timeout=1s';
const patience = 30_000;

const lab = await SystemdLab.start();
afterAll(() => lab?.stop());

describe.skipIf(lab === undefined)('the service', { timeout: 60_000 }, () => {
  if (lab === undefined) return;

  beforeEach(() => {
    lab.systemctl('stop', service);
    lab.systemctl('reset-failed', service);
    lab.settings(flags, 'secret');
    lab.configure('');
    lab.forget();
  });

  /** What the plugin says; code 50 is the daemon's word for a grid that is away. */
  const status = () => call('STATUS');

  function call(command: string, netns = ''): { code: number } {
    const config = {
      cniVersion: '1.1.0',
      name: 'net-1',
      type: 'bridge',
      ipam: { type: 'infoblox', subnet: '10.0.0.0/24' },
    };
    const attachment = { CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0', CNI_NETNS: netns };
    const env = { CNI_COMMAND: command, CNI_PATH: '/usr/local/bin', ...attachment };
    return JSON.parse(lab?.run(['/usr/local/bin/infoblox'], env, JSON.stringify(config)).stdout ?? '');
  }

  test('counts as started when its socket answers', () => {
    expect(lab.systemctl('start', service).status).toBe(0);
    expect(status()).toMatchObject({ code: 50 });
    expect(lab.property('ActiveState')).toBe('active');
    expect(lab.property('NRestarts')).toBe('0');
  });

  test('has its password as a credential, no capability, and names its file when it is empty', () => {
    lab.systemctl('start', service);
    expect(lab.log).not.toContain('WAPI password');
    const state = lab.run(['cat', `/proc/${lab.property('MainPID')}/status`]).stdout;
    expect(state).toMatch(/^CapBnd:\t0+$/m);
    expect(state).toMatch(/^CapEff:\t0+$/m);
    expect(state).toMatch(/^Seccomp:\t2$/m);
    lab.settings(flags, '');
    expect(lab.systemctl('restart', service).status).toBe(0);
    expect(lab.log).toMatch(/no WAPI password given: .*into \S+\/wapi-password, then: systemctl restart/);
  });

  test('sees a network namespace that the host makes after its start', async () => {
    lab.systemctl('start', service);
    expect(lab.run(['ip', 'netns', 'add', 'later'])).toMatchObject({ status: 0 });
    try {
      const look = [
        'nsenter',
        '-t',
        lab.property('MainPID'),
        '-m',
        '-U',
        '--',
        'stat',
        '-f',
        '-c',
        '%T',
        '/run/netns/later',
      ];
      await until('it is there', () => lab.run(look).stdout.trim() === 'nsfs', patience);
    } finally {
      lab.run(['ip', 'netns', 'del', 'later']);
    }
  });

  test('sees the namespaces of other processes with the drop-in of docs/operations.md, and not without', () => {
    const hidden = 'cannot see the network namespace of a container';
    const container = lab.run(['sh', '-c', 'unshare --net sleep 300 > /dev/null 2>&1 & echo $!']).stdout.trim();
    try {
      lab.systemctl('start', service);
      expect(call('ADD', `/proc/${container}/ns/net`)).toMatchObject({ code: 11 });
      expect(lab.log).toContain(hidden);
      const page = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8');
      lab.configure(/## Runtimes that name \/proc.*?```\n\[Service\]\n(.*?)```/s.exec(page)?.[1] ?? '');
      expect(lab.systemctl('restart', service).status).toBe(0);
      lab.forget();
      expect(call('ADD', `/proc/${container}/ns/net`)).toMatchObject({ code: 11 });
      expect(lab.log).toContain('ADD failed');
      expect(lab.log).not.toContain(hidden);
    } finally {
      lab.run(['kill', container]);
    }
  });

  test('is ended and started again when its event loop stands still, and left alone while it turns', async () => {
    lab.configure('WatchdogSec=3\nRestartSec=100ms');
    lab.systemctl('start', service);
    const first = lab.property('MainPID');
    const signs = new Set<string>();
    await until(
      'it has shown life four times',
      () => signs.add(lab.property('WatchdogTimestampMonotonic')).size >= 4,
      patience,
    );
    expect([lab.property('MainPID'), lab.property('NRestarts')]).toEqual([first, '0']);
    // A process that is stopped turns no event loop.
    lab.run(['kill', '-STOP', first]);
    await until('it was started again', () => lab.property('NRestarts') === '1', patience);
    await until('the new one serves', () => lab.property('ActiveState') === 'active', patience);
    expect(lab.property('MainPID')).not.toBe(first);
    expect(status()).toMatchObject({ code: 50 });
  });

  test('fails to restart with a wrong flag, says why, and is not tried again', async () => {
    lab.systemctl('start', service);
    lab.settings(`${flags} --grid-hots=x`, 'secret');
    lab.configure('RestartSec=100ms');
    expect(lab.systemctl('restart', service).status).not.toBe(0);
    expect(lab.log).toContain('unknown flag --grid-hots; did you mean --grid-host?');
    expect(lab.property('ActiveState')).toBe('failed');
    expect(lab.property('NRestarts')).toBe('0');
  });

  test('fails to restart without its file of certificates, says why, and starts by itself when that is mended', async () => {
    lab.settings(`${flags} --ssl-verify=/run/ca.pem`, 'secret');
    lab.configure('RestartSec=100ms');
    expect(lab.systemctl('restart', service).status).not.toBe(0);
    expect(lab.log).toMatch(/--ssl-verify .*no such file/);
    lab.settings(flags, 'secret');
    await until('it serves', () => lab.property('ActiveState') === 'active', patience);
  });

  test('is also started by a systemd that knows no OpenFile=, through systemd-notify', () => {
    lab.configure('OpenFile=\nNotifyAccess=all');
    expect(lab.systemctl('start', service).status).toBe(0);
    expect(status()).toMatchObject({ code: 50 });
  });
});
