import { describe, expect, test } from 'vitest';
import { parseFlags, UsageError } from '../../../../../src/modes/daemon/config/command-line.ts';
import { flags, usage } from '../../../../../src/modes/daemon/config/flags.ts';

/** Flags and defaults of the original driver, which existing unit files and manifests depend on. */
const original: Record<string, string> = {
  'grid-host': '192.168.124.200',
  'wapi-port': '443',
  'wapi-username': '',
  'wapi-password': '',
  'wapi-version': '2.3',
  'ssl-verify': 'false',
  'socket-dir': '/run/cni',
  'driver-name': 'infoblox',
  'network-view': 'default',
  'network-container': '172.18.0.0/16',
  'prefix-length': '24',
};

describe('a flag', () => {
  test('takes a value that looks like a switch of citty', () => {
    expect(parseFlags(['--wapi-password', '--no-help', '--wapi-port', '1'])).toMatchObject({
      'wapi-password': '--no-help',
      'wapi-port': '1',
    });
    expect(() => parseFlags(['--no-labels'])).toThrow(UsageError);
    expect(() => parseFlags(['--wapiPort=1'])).toThrow(UsageError);
  });

  test('of the original driver keeps its name and default', () => {
    expect(parseFlags([])).toMatchObject(original);
  });

  test.each([
    [['--wapi-port=8443']],
    [['--wapi-port', '8443']],
    [['-wapi-port=8443']],
    [['-wapi-port', '8443']],
    [['--wapi-port=1', '--wapi-port', '8443']],
  ])('can be written as %j', (args) => {
    expect(parseFlags(args)['wapi-port']).toBe('8443');
  });

  test.each(['', 'a=b', '--grid-host', '-x', 'with space', 'p$a"s\'s', 'no-help', 'é\n', '--', 'false'])(
    'takes the value %j unchanged',
    (value) => {
      expect(parseFlags([`--wapi-password=${value}`])['wapi-password']).toBe(value);
      expect(parseFlags(['--wapi-password', value, '--wapi-port', '1'])).toMatchObject({
        'wapi-password': value,
        'wapi-port': '1',
      });
    },
  );

  test.each([
    ['--grid-hots=x', 'unknown flag --grid-hots; did you mean --grid-host?'],
    ['--wapi_port=1', 'unknown flag --wapi_port; did you mean --wapi-port?'],
    ['--WAPI_USERNAME', 'unknown flag --WAPI_USERNAME; did you mean --wapi-username?'],
    ['-wapi_user=x', 'unknown flag --wapi_user; did you mean --wapi-username?'],
    ['--sockets=/run', 'unknown flag --sockets'],
    ['--toString=x', 'unexpected argument "--toString"'],
    ['--constructor=x', 'unknown flag --constructor'],
    ['--wapi-port', 'flag --wapi-port needs a value'],
    ['start', 'unexpected argument "start"'],
    ['check-config', 'check-config must come before all flags'],
    ['--', 'unexpected argument "--"'],
    ['', 'unexpected argument ""'],
  ])('%j is refused: %s', (arg, message) => {
    expect(() => parseFlags([arg])).toThrow(new UsageError(message));
  });

  test.each([
    ['wapi-username', ['user', 'username', 'wapi-user']],
    ['wapi-password-file', ['pass', 'password', 'wapi-pass']],
    ['wapi-port', ['port']],
    ['grid-host', ['host', 'grid']],
    ['socket-dir', ['socket']],
  ])('--%s is suggested for the typo %j', (meant, names) => {
    for (const name of names) {
      expect(() => parseFlags([`--${name}=hunter2`])).toThrow(
        new UsageError(`unknown flag --${name}; did you mean --${meant}?`),
      );
    }
  });

  test('asks for help or the version in every usual form', () => {
    for (const arg of ['--help', '-help', '-h']) expect(parseFlags([arg]).help).toBe(true);
    for (const arg of ['--version', '-version']) expect(parseFlags([arg]).version).toBe(true);
    const quiet = parseFlags([]);
    expect([quiet.help ?? false, quiet.version ?? false]).toEqual([false, false]);
  });
});

test.each([
  // systemd makes one value of everything behind a quote that is never closed.
  [
    ['--labels=Site=Paris,Owner=Network team --network-view=x --node-name=a'],
    'the value of --labels holds the flag --network-view: a quote is missing; ',
  ],
  [
    ['--grid-host', 'grid -wapi-port 8443'],
    'the value of --grid-host holds the flag --wapi-port: a quote is missing; ',
  ],
  [['--labels=Owner=Network', 'team --node-name=a'], 'unexpected argument "team --node-name"; if a quote is missing: '],
  [['--labels=Owner=Network', 'team'], 'unexpected argument "team"; if a quote is missing: '],
])('the error names a missing quote in DAEMON_FLAGS: %j', (args, message) => {
  const hint =
    'in /etc/infoblox-cni/daemon.env, put double quotes around a value with spaces, and single quotes around all of DAEMON_FLAGS';
  expect(() => parseFlags(args)).toThrow(new UsageError(message + hint));
});

test('a value with spaces and dashes is not taken for a flag', () => {
  expect(parseFlags(['--labels=Note=a - b --c -x,Site=--grid-hosts']).labels).toBe(
    'Note=a - b --c -x,Site=--grid-hosts',
  );
});

test('the help names every flag with its default, and the sources of a password', () => {
  const text = usage();
  for (const name of Object.keys(flags)) expect(text).toContain(`  --${name}`);
  for (const value of Object.values(original)) if (value !== '') expect(text).toContain(`(default "${value}")`);
  expect(text).toContain('WAPI_PASSWORD');
  expect(text.match(/^[A-Z].*:$/gm)).toEqual([
    'Commands:',
    'Infoblox grid:',
    'IPAM driver:',
    'Address policy, for keys that a network configuration omits:',
    'State:',
    'Observability:',
    'Other:',
  ]);
});

test.each([
  [['--wapi_password=hunter2']],
  [['--WAPI-password=hunter2']],
  [['--password', 'hunter2']],
  [['--secret=hunter2']],
  [['--wapi-password', 'hun', 'ter2']],
  [['--wapi-password', 'hun', '-ter']],
  [['--wapi-password', 'hun', '--Ter_2']],
])('a password in a wrong place is not printed: %j', (args) => {
  expect(() => parseFlags(args)).toThrow(/^(?!.*ter)(unexpected argument|unknown flag)/i);
});
