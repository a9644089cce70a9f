/** `check-config` judges flags and network configurations without grid and daemon. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Host } from '../../../fixture/host.ts';
import { operate } from '../../../fixture/operator.ts';

/** No grid listens there, and no daemon is started. */
const nowhere = { host: '127.0.0.1', port: 4443, username: 'cni', password: 'secret', caFile: '/nonexistent/ca.pem' };
let host: Host;

beforeEach(() => {
  host = new Host(nowhere);
});
afterEach(() => host.dispose());

test('checks network configurations as an ADD would, without the grid', async () => {
  const write = (name: string, value: unknown) => {
    const file = join(host.directory, name);
    writeFileSync(file, JSON.stringify(value));
    return file;
  };
  const good = write('good.conf', host.config());
  const { type: _, ipam, ...list } = host.config();
  const listed = write('good.conflist', { ...list, plugins: [{ type: 'bridge', ipam }, { type: 'portmap' }] });
  const flags = host.flags.filter((flag) => !flag.startsWith('--ssl-verify'));
  const fine = await operate('check-config', good, listed, ...flags);
  expect([fine.exitCode, fine.stderr]).toEqual([0, '']);
  const inForce = `grid 127.0.0.1 (command line), user ${nowhere.username} (command line), client certificate none, the grid's certificate unverified (default), from /etc/infoblox-cni/daemon.env (absent)`;
  expect(fine.stdout).toBe(
    `${inForce}\n${good}: network net-1 is fine\n${listed}: network net-1 is fine\nconfiguration accepted\n`,
  );

  const typo = write('typo.conf', host.config({ ipam: { gatway: '10.0.0.1', gateway: undefined } }));
  const foreign = write('foreign.conf', { ...host.config(), ipam: { type: 'host-local' } });
  const broken = join(host.directory, 'broken.conf');
  writeFileSync(broken, '{');
  const wrong = await operate('check-config', typo, foreign, broken, '/nonexistent.conf', ...flags);
  expect([wrong.exitCode, wrong.stdout]).toEqual([1, `${inForce}\n`]);
  expect(wrong.stderr).toMatch(/typo\.conf: unknown key ipam\.gatway .*did you mean ipam\.gateway/);
  expect(wrong.stderr).toMatch(/foreign\.conf: no plugin in it uses the IPAM plugin infoblox\./);
  expect(wrong.stderr).toMatch(/broken\.conf: the network configuration is not valid JSON\. Correct /);
  expect(wrong.stderr).toMatch(/nonexistent\.conf: .*no such file\. Correct its name\.$/m);
  expect(wrong.stderr).not.toMatch(/[?.]\.|[ ]$/m);

  const nothing = write('nothing.conf', { ...host.config(), ipam: null });
  expect((await operate('check-config', nothing, ...flags)).stderr).toMatch(
    /nothing\.conf: invalid network configuration: ipam: expected an object, found null\. Correct /,
  );
  const elsewhere = write('elsewhere.conf', host.config({ ipam: { 'socket-dir': 'run/cni' } }));
  expect((await operate('check-config', elsewhere, ...flags)).stderr).toMatch(/is not an absolute path\. Set it to /);
  const second = write('second.conf', host.config({ ipam: { subnet: '10.7.0.0/24', gateway: undefined } }));
  const together = await operate('check-config', good, second, ...flags);
  expect(together.exitCode).toBe(1);
  expect(together.stderr).toMatch(/give network net-1 two subnets, 10\.0\.0\.0\/24 and 10\.7\.0\.0\/24\. Give one /);

  const device = (over: Record<string, unknown>) => write('device.conf', { ...host.config(), ...over });
  expect(await operate('check-config', device({ master: 'eth0 ' }), ...flags)).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/device\.conf: master "eth0 " cannot be an interface\. An interface has a name of /),
  });
  expect((await operate('check-config', device({ type: 'bridge', bridge: 'lo' }), ...flags)).stderr).toMatch(
    /device\.conf: bridge lo is an interface of this host, but not a bridge\. Name another one/,
  );
  expect(await operate('check-config', device({ master: 'absent0' }), ...flags)).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(
      /device\.conf: warning: its master absent0 does not exist on this host: no container/,
    ),
  });
  expect((await operate('check-config', device({ type: 'brdige', brige: 'br1' }), ...flags)).stdout).toMatch(
    /warning: its key brige has no effect; did you mean bridge\?\n.*there is no main plugin brdige; did you mean bridge\?\n/,
  );
  const twoSources = device({ ...host.config({ ipam: { ranges: [[{ subnet: '10.8.0.0/24' }]] } }), type: 'brdige' });
  expect((await operate('check-config', twoSources, ...flags)).stdout.match(/there is no main plugin/g)).toHaveLength(
    1,
  );
});

test('shows the effective settings and their sources, warns about a missing login, and refuses a malformed file', async () => {
  const file = join(host.directory, 'daemon.env');
  const check = (text: string) => {
    writeFileSync(file, text);
    return operate('check-config', `--environment-file=${file}`, `--state-dir=${host.directory}`);
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

test('check-config says whether the daemon would start with these flags, and changes nothing', async () => {
  const places = [join(host.directory, 'run'), join(host.directory, 'state')];
  const check = (...args: string[]) =>
    operate('check-config', `--socket-dir=${places[0]}`, `--state-dir=${places[1]}`, ...args);
  expect(await check('--node-name=a')).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^grid .*\nwarning: .*\nconfiguration accepted\n$/),
    stderr: '',
  });
  const typo = await check('--grid-hots=x');
  expect([typo.exitCode, typo.stdout]).toEqual([2, '']);
  expect(typo.stderr).toContain('did you mean --grid-host?');
  const noFile = await check('--node-name=a', '--ssl-verify=/nonexistent/ca.pem');
  expect([noFile.exitCode, noFile.stdout]).toEqual([1, '']);
  expect(noFile.stderr).toMatch(/--ssl-verify .*there is no \/nonexistent\/ca\.pem/);
  const noCertificate = await check('--node-name=a', '--wapi-client-cert=/nonexistent/client.pem');
  expect([noCertificate.exitCode, noCertificate.stdout]).toEqual([1, '']);
  expect(noCertificate.stderr).toMatch(
    /cannot read the client certificate: there is no .*\. Put a PEM file of root there/,
  );
  const noPassword = await check('--node-name=a', '--wapi-password-file=/nonexistent/password');
  expect([noPassword.exitCode, noPassword.stdout]).toEqual([1, '']);
  expect(noPassword.stderr).toMatch(/cannot read the WAPI password: there is no .*\. Put it into /);
  for (const place of places) expect(existsSync(place)).toBe(false);
});
