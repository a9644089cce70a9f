import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseFlags, UsageError } from '../../../../../src/modes/daemon/config/command-line.ts';
import { hiddenFromService } from '../../../../../src/modes/daemon/config/given-file.ts';
import { readOptions } from '../../../../../src/modes/daemon/config/options.ts';
import { StartError } from '../../../../../src/modes/daemon/start-error.ts';
import { makeCertificate } from '../../../../simulator/http/certificate.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-options-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const options = (args: readonly string[] = [], env: Record<string, string> = {}, isTerminal = false) =>
  readOptions(parseFlags(args), env, { isTerminal });

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

test('without flags the daemon has the settings of the original driver', () => {
  expect(options()).toMatchObject({
    ...{ gridHosts: ['192.168.124.200'], wapiPort: 443, wapiUsername: '', wapiVersion: '2.3', tls: { verify: false } },
    ...{ socketDir: '/run/cni', driverName: 'infoblox', networkView: 'default', networkContainer: '172.18.0.0/16' },
    ...{ prefixLength: 24, clusterName: 'cluster-1', nodeName: hostname(), stateDir: '/var/lib/infoblox-cni' },
    ...{ addTimeoutMs: 30_000, reapAfterMs: 600_000, logLevel: 'info', logFormat: 'json' },
  });
});

test.each([
  [['--grid-host=a.example, 10.0.0.1,[fd00::1]'], { gridHosts: ['a.example', '10.0.0.1', '[fd00::1]'] }],
  // Requests and files of known keys use this spelling.
  [['--grid-host=GM.example,[FD00:0::1]'], { gridHosts: ['gm.example', '[fd00::1]'] }],
  [['--wapi-port=8443'], { wapiPort: 8443 }],
  [['--wapi-version=2.12.3'], { wapiVersion: '2.12.3' }],
  [['--wapi-version=3.0'], { wapiVersion: '3.0' }],
  [['--socket-dir=/run/cni//'], { socketDir: '/run/cni' }],
  [['--driver-name=ibx'], { driverName: 'ibx' }],
  [['--network-view= Kunden Süd '], { networkView: 'Kunden Süd' }],
  [['--node-name=worker-1.example'], { nodeName: 'worker-1.example' }],
  [['--add-timeout=1500ms'], { addTimeoutMs: 1_500 }],
  [['--add-timeout=1m'], { addTimeoutMs: 60_000 }],
  // Timers take whole numbers, and 16.1 * 1000 is a fraction.
  [['--add-timeout=16.1s'], { addTimeoutMs: 16_100 }],
  [['--reap-after=0'], { reapAfterMs: 0 }],
  [['--block-size=64'], { blockSize: 64 }],
  [['--block-validity=24h'], { blockValidityMs: 86_400_000 }],
  [['--ip-cooldown=1h'], { ipCooldownMs: 3_600_000 }],
  [['--reap-after=1.5h'], { reapAfterMs: 5_400_000 }],
  [['--lease-history=0'], { leaseHistoryMs: 0 }],
  [['--lease-history=90d'], { leaseHistoryMs: 90 * 86_400_000 }],
  [['--metrics-listen=:9477'], { metricsListen: { host: '127.0.0.1', port: 9477 } }],
  [['--metrics-listen=0.0.0.0:9477'], { metricsListen: { host: '0.0.0.0', port: 9477 } }],
  [['--metrics-listen=[::]:9477'], { metricsListen: { host: '::', port: 9477 } }],
  [['--labels=Site=Paris, Owner = Network team '], { labels: { Site: 'Paris', Owner: 'Network team' } }],
  [['--log-level=debug', '--log-format=text'], { logLevel: 'debug', logFormat: 'text' }],
] as const)('%j is accepted', (args, expected) => {
  expect(options(args)).toMatchObject(expected);
});

test.each([
  ['--grid-host=', /^--grid-host "" must not be empty$/],
  ['--grid-host=a,,b', /^--grid-host "a,,b" must name hosts or addresses alone, separated by commas/],
  ['--grid-host=https://grid', /must name hosts or addresses alone, .*: no https:/],
  ['--grid-host=grid:8443', /must name hosts or addresses alone, .* the port in --wapi-port/],
  ['--grid-host=grid/wapi', /must name hosts or addresses alone, .* no path/],
  ['--grid-host=fd00::1', /must name hosts or addresses alone, .* IPv6 addresses in brackets/],
  ['--grid-host=https://user:hunter2@grid', /^--grid-host "https:\.\.\.@grid" must name hosts/],
  ['--wapi-port=0', /^--wapi-port "0" must be a port number$/],
  ['--wapi-port=65536', /must be a port number/],
  ['--wapi-port=https', /must be a port number/],
  ['--wapi-version=2', /must be a version such as 2\.3/],
  ['--wapi-version=v2.5', /must be a version such as 2\.3/],
  ['--wapi-version=2.2.2', /must be 2\.3 or above/],
  ['--wapi-version=1.7.5', /must be 2\.3 or above/],
  ['--socket-dir=run/cni', /must be an absolute path/],
  ['--state-dir=', /must be an absolute path/],
  ['--driver-name=a/b', /must consist of letters, digits/],
  ['--driver-name=', /must consist of letters, digits/],
  ['--cluster-name=my cluster', /must consist of letters, digits/],
  ['--node-name=host a', /^--node-name "host a" must consist of letters, digits/],
  ['--network-view= ', /must not be empty/],
  ['--prefix-length=/24', /must be a whole number of bits/],
  ['--prefix-length=31', /^--network-container, --prefix-length: prefix-length 31/],
  ['--prefix-length=16', /a \/16 network does not fit into 172\.18\.0\.0\/16/],
  ['--network-container=172.18.0.1/16', /has host bits set; did you mean 172\.18\.0\.0\/16\?/],
  ['--network-container=', /neither subnet nor network-container is set/],
  ['--add-timeout=30', /must be a duration such as 500ms, 30s or 10m/],
  ['--add-timeout=0', /must be at least 1s/],
  ['--add-timeout=2m', /must be at most 60s: runtimes give up then/],
  ['--reap-after=-1s', /must be a duration/],
  ['--block-size=63', /^--block-size "63" must be 0 or a power of two from 8 to 256$/],
  ['--block-size=4', /must be 0 or a power of two/],
  ['--block-validity=9m', /must be at least 10m: blocks are confirmed every 5m/],
  ['--block-validity=25h', /must be at most 24h/],
  ['--ip-cooldown=61m', /^--ip-cooldown "61m" must be at most 1h$/],
  ['--lease-history=30', /must be a duration/],
  ['--lease-history=3651d', /must be at most 3650d/],
  ['--metrics-listen=9477', /must be off, or host:port such as 127\.0\.0\.1:9477/],
  ['--metrics-listen=127.0.0.1:94770', /must have a port up to 65535/],
  ['--labels=Site=', /^--labels "Site=" must be a list such as "Site=Paris,Owner=Network team"$/],
  ['--labels= =Paris', /^--labels " =Paris" must be a list/],
  ['--labels=Site=Paris,', /^--labels "Site=Paris," must be a list/],
  ['--labels=Site=Paris=Texas', /must be a list/],
  [`--labels=${'\tSite=Paris,\t'.repeat(30)}=`, /must be a list/],
  ['--log-level=trace', /must be error, warn, info or debug/],
  ['--log-format=xml', /must be text, json or auto/],
])('%s is refused: %s', (arg, message) => {
  const attempt = () => options([arg]);
  expect(attempt).toThrow(UsageError);
  expect(attempt).toThrow(message);
});

test('a socket path that is too long for the system is refused, with its length and a hint', () => {
  const socketDir = (length: number) => `--socket-dir=/${'s'.repeat(length - '//infoblox.sock'.length)}`;
  expect(options([socketDir(107)]).socketDir).toHaveLength(107 - '/infoblox.sock'.length);
  expect(() => options([socketDir(108)])).toThrow(UsageError);
  expect(() => options([socketDir(108)])).toThrow(
    /^--socket-dir and --driver-name make \/s+\/infoblox\.sock, a path of 108 bytes; a socket's path may have 107: use a shorter/,
  );
  // The limit counts bytes, not characters.
  expect(() => options(['--socket-dir=/run/é', `--driver-name=${'d'.repeat(95)}`])).toThrow(/108 bytes/);
});

test.each(['', 'localhost', 'localhost.localdomain', 'LOCALHOST'])(
  'a host with the common name "%s" needs --node-name',
  (hostName) => {
    const named = (...args: string[]) => readOptions(parseFlags(args), {}, { hostName }).nodeName;
    expect(() => named()).toThrow(StartError);
    expect(() => named()).toThrow(/^--node-name is not set, and the host name/);
    expect(named('--node-name=worker-1')).toBe('worker-1');
  },
);

test('the log is text on a terminal and JSON elsewhere, unless a flag sets the format', () => {
  expect(options([], {}, true).logFormat).toBe('text');
  expect(options([], {}, false).logFormat).toBe('json');
  expect(options(['--log-format=json'], {}, true).logFormat).toBe('json');
});

describe('the password', () => {
  test('is taken from the flag, then the file, then the environment, then the credential of systemd', () => {
    const flag = '--wapi-password=one';
    const fromFile = `--wapi-password-file=${file('password', 'two\n')}`;
    mkdirSync(join(directory, 'credentials'));
    writeFileSync(join(directory, 'credentials', 'wapi-password'), 'four\n', { mode: 0o600 });
    const env = { WAPI_PASSWORD: 'three', CREDENTIALS_DIRECTORY: join(directory, 'credentials') };
    expect(options([flag, fromFile], env).readPassword()).toBe('one');
    expect(options([fromFile], env).readPassword()).toBe('two');
    expect(options([], env).readPassword()).toBe('three');
    expect(options([], { CREDENTIALS_DIRECTORY: env.CREDENTIALS_DIRECTORY }).readPassword()).toBe('four');
    expect(options([], { ...env, WAPI_PASSWORD: '' }).readPassword()).toBe('four');
  });

  test('that is missing does not stop the start, but fails its use with the ways to give it', () => {
    const refusal = (args: string[], env = {}) => {
      try {
        return options(args, env).readPassword();
      } catch (error) {
        return error;
      }
    };
    const hint = expect.stringMatching(/--wapi-password-file.*WAPI_PASSWORD.*systemd credential wapi-password$/);
    // The operator must write to the file itself, not to the copy that systemd makes of it.
    const unitHint = expect.stringMatching(
      /into \/etc\/infoblox-cni\/wapi-password, then: systemctl restart infoblox-cni-daemon$/,
    );
    const empty = file('wapi-password', '\n');
    for (const found of [refusal([]), refusal([], { WAPI_PASSWORD: '' })]) {
      expect(found).toMatchObject({
        name: 'GridError',
        reason: 'credentials',
        message: 'no WAPI password given',
        hint,
      });
    }
    expect(refusal([`--wapi-password-file=${empty}`])).toMatchObject({
      ...{ name: 'GridError', reason: 'credentials', message: `no WAPI password given: ${empty} is empty` },
      hint: `put it, alone on a line, into ${empty}`,
    });
    expect(refusal([], { CREDENTIALS_DIRECTORY: directory })).toMatchObject({
      ...{ name: 'GridError', reason: 'credentials', message: `no WAPI password given: ${empty} is empty` },
      hint: unitHint,
    });
    expect(refusal([], { CREDENTIALS_DIRECTORY: '/nonexistent' })).toMatchObject({
      reason: 'credentials',
      hint: unitHint,
    });
  });

  test('is read again each time, without one line break at its end', () => {
    const path = file('password', ' pass word \r\n');
    const { readPassword } = options([`--wapi-password-file=${path}`]);
    expect(readPassword()).toBe(' pass word ');
    writeFileSync(path, 'next\n\n');
    expect(readPassword()).toBe('next\n');
  });

  test('in a file that others can write to is refused, as they would choose what the grid is sent', () => {
    const path = file('password', 'secret\n');
    const { readPassword } = options([`--wapi-password-file=${path}`]);
    for (const [spoiled, mode, shown] of [
      [path, 0o620, '0620'],
      [path, 0o602, '0602'],
      [directory, 0o770, '0770'],
    ] as const) {
      const before = statSync(spoiled).mode;
      chmodSync(spoiled, mode);
      expect(readPassword).toThrow(
        expect.objectContaining({
          reason: 'credentials',
          message: `cannot read the WAPI password: ${spoiled} is writable by users other than root (mode ${shown})`,
          hint: `run chmod go-w ${spoiled}, or put it where only root can write`,
        }),
      );
      chmodSync(spoiled, before);
    }
    expect(readPassword()).toBe('secret');
  });

  test('in a file that others can read is used and reported as exposed, and the group of root counts as root', () => {
    const path = file('password', 'secret\n');
    const { readPassword, passwordExposure } = options([`--wapi-password-file=${path}`]);
    const seen = [0o644, 0o604, 0o640, 0o600].map((mode) => {
      chmodSync(path, mode);
      expect(readPassword()).toBe('secret');
      return passwordExposure();
    });
    const by = (readers: string, mode: string) => ({ file: path, readers, mode, hint: `chmod 0600 ${path}` });
    const group = statSync(path).gid;
    expect(seen).toEqual([
      by('everybody', '0644'),
      by('everybody', '0604'),
      group === 0 ? undefined : by(`group ${group}`, '0640'),
      undefined,
    ]);
    for (const args of [['--wapi-password=one'], [`--wapi-password-file=${join(directory, 'absent')}`], []]) {
      expect(options(args).passwordExposure()).toBeUndefined();
    }
  });

  test('with a blank at its end is used unchanged, and reported as a possible mistake', () => {
    const remarkOf = (text: string) => options([`--wapi-password-file=${file('password', text)}`]).passwordRemark();
    expect(remarkOf('secret \n')).toMatch(/^the password of \/.*password begins or ends with a blank/);
    expect([remarkOf('my secret\n'), remarkOf('')]).toEqual([undefined, undefined]);
    expect(options(['--wapi-password=x\t']).passwordRemark()).toContain('--wapi-password ');
  });

  test('that cannot be read does not stop the start, and its error names the place', () => {
    const { readPassword } = options([`--wapi-password-file=${join(directory, 'absent')}`]);
    expect(readPassword).toThrow(/^cannot read the WAPI password: there is no .*absent/);
  });
});

describe('--ssl-verify', () => {
  test('with `true` trusts the authorities of the host', () => {
    const { verify, trusted } = options(['--ssl-verify=true']).tls;
    expect(verify).toBe(true);
    expect(trusted?.().length).toBeGreaterThan(50);
  });

  test('accepts a file of certificates, and its renewal', async () => {
    const [first, second] = await Promise.all([makeCertificate(), makeCertificate()]);
    const path = file('ca.pem', first.cert);
    const { verify, trusted } = options([`--ssl-verify=${path}`]).tls;
    expect([verify, trusted?.()]).toEqual([true, [first.cert]]);
    writeFileSync(path, `${first.cert}\n${second.cert}`);
    expect(trusted?.()).toEqual([`${first.cert}\n${second.cert}`]);
    rmSync(path);
    expect(trusted?.()).toEqual([`${first.cert}\n${second.cert}`]);
    await Promise.all([first.remove(), second.remove()]);
  });

  test.each([
    ['is absent', undefined],
    ['is empty', ''],
    ['holds no certificate', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'],
    ['holds a broken one', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
  ])('refuses a file that %s, and never checks less than configured', (_, content) => {
    const path = join(directory, 'ca.pem');
    if (content !== undefined) writeFileSync(path, content);
    expect(() => options([`--ssl-verify=${path}`])).toThrow(StartError);
    expect(() => options([`--ssl-verify=${path}`])).toThrow(
      /^--ssl-verify ".*ca\.pem" is neither true, false nor pin, nor a file of certificates: /,
    );
  });

  test('refuses a file that others can write to, as they would choose whom the daemon trusts', async () => {
    const { cert, remove } = await makeCertificate();
    const path = file('ca.pem', cert);
    chmodSync(path, 0o666);
    expect(() => options([`--ssl-verify=${path}`])).toThrow(
      new StartError(
        `cannot trust --ssl-verify ${path}: ${path} is writable by users other than root (mode 0666)`,
        `run chmod go-w ${path}`,
      ),
    );
    chmodSync(path, 0o644);
    const { trusted } = options([`--ssl-verify=${path}`]).tls;
    const forged = await makeCertificate();
    writeFileSync(path, forged.cert);
    chmodSync(path, 0o666);
    expect(trusted?.()).toEqual([cert]);
    await Promise.all([remove(), forged.remove()]);
  });

  test('explains why the daemon cannot read a file that the operator can', async () => {
    const refusal = (path: string) => () => options([`--ssl-verify=${path}`]);
    expect(refusal('/root/absent.pem')).toThrow(
      /there is no \/root\/absent\.pem; its systemd unit hides \/home, \/root and \/tmp/,
    );
    const { cert, remove } = await makeCertificate();
    await remove();
    const der = join(directory, 'ca.der');
    writeFileSync(der, Buffer.from(cert.replace(/-----[^-]*-----/g, ''), 'base64'));
    expect(refusal(der)).toThrow(/: it is DER: convert it with openssl x509/);
    expect(refusal(directory)).toThrow(`${directory} is a directory`);
  });

  test('tells of a file that root alone can read, and not the user of the service', () => {
    const ca = file('ca.pem', '');
    const modes = [0o600, 0o640, 0o644].map((mode) => {
      chmodSync(ca, mode);
      return hiddenFromService(ca, 996);
    });
    const fix = `chgrp infoblox-cni ${ca} && chmod g+r ${ca}`;
    expect(modes).toEqual([
      expect.stringContaining(fix),
      process.getgid?.() === 0 ? expect.anything() : undefined,
      undefined,
    ]);
    chmodSync(ca, 0o600);
    expect([hiddenFromService(ca, process.getuid?.()), hiddenFromService(join(directory, 'absent'), 996)]).toEqual([
      undefined,
      undefined,
    ]);
  });

  test.each(['yes', 'TRUE', '1'])('refuses %s, which is none of the three', (value) => {
    expect(() => options([`--ssl-verify=${value}`])).toThrow(UsageError);
  });
});
