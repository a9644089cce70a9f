import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  readEnvironmentFile,
  readTrustedEnvironmentFile,
} from '../../../../../src/modes/daemon/config/command-line.ts';

let directory: string;
let file: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-env-'));
  file = join(directory, 'daemon.env');
});
afterEach(() => rmSync(directory, { recursive: true }));

test.each<[string, string, readonly string[]]>([
  ['words', "DAEMON_FLAGS='--grid-host=a --wapi-port 443'", ['--grid-host=a', '--wapi-port', '443']],
  [
    'white space of all kinds',
    "DAEMON_FLAGS=' --grid-host=a\t --log-level=info\n--node-name=n '",
    ['--grid-host=a', '--log-level=info', '--node-name=n'],
  ],
  ['no quotes around it', 'DAEMON_FLAGS=--grid-host=a', ['--grid-host=a']],
  ['double quotes around it', 'DAEMON_FLAGS="--grid-host=a --node-name=n"', ['--grid-host=a', '--node-name=n']],
  [
    'a quoted value with spaces',
    `DAEMON_FLAGS='--labels="Site=Paris,Owner=Network team"'`,
    ['--labels=Site=Paris,Owner=Network team'],
  ],
  [
    'a quoted word',
    `DAEMON_FLAGS='"--labels=Owner=Network team" --node-name=n'`,
    ['--labels=Owner=Network team', '--node-name=n'],
  ],
  ['single quotes in double ones', `DAEMON_FLAGS="--labels='Owner=Network team'"`, ['--labels=Owner=Network team']],
  ['the last of several DAEMON_FLAGS', "DAEMON_FLAGS='--grid-host=a'\nDAEMON_FLAGS='--grid-host=b'", ['--grid-host=b']],
  ['a comment', "#DAEMON_FLAGS='--grid-host=a'", []],
  ['nothing', 'DAEMON_FLAGS=', []],
  ['an empty file', '', []],
])('DAEMON_FLAGS are split into words: %s', (_, text, words) => {
  writeFileSync(file, text);
  expect(readEnvironmentFile(file, 'required').daemonFlags).toEqual(words);
});

const spaced = `'--labels="Owner=Network team"'`;
test.each<[string, string | null]>([
  ["# a comment; DAEMON_FLAG=\n; another\n\nDAEMON_FLAGS='--grid-host=a'\nOTEL_TRACES_SAMPLER_ARG=0.1\n", null],
  [`DAEMON_FLAGS=${spaced}\nWAPI_PASSWORD="it's \\" a"\n`, null],
  ["DAEMON_FLAGS='--grid-host=a\n  --wapi-port=443'\r\nX=1", null],
  ['', null],
  ['A=\nDAEMON_FLAG=--grid-host=a\n', 'line 2: unknown variable DAEMON_FLAG; did you mean DAEMON_FLAGS?'],
  ['daemon_flags=', 'line 1: unknown variable daemon_flags; did you mean DAEMON_FLAGS?'],
  ["\nDAEMON_FLAGS='--grid-host=a\nX=1\n", 'line 2: a quote is not closed'],
  [`DAEMON_FLAGS='--labels="Site=Paris'`, 'a quote within DAEMON_FLAGS is not closed'],
  ["\nexport DAEMON_FLAGS='--grid-host=a'", 'line 2: systemd ignores a line with export; write NAME=VALUE alone'],
  ['DAEMON_FLAGS --grid-host=a', 'line 1: it is not NAME=VALUE'],
  ['--grid-host=a', 'line 1: it is not NAME=VALUE'],
])('the fault in the file %j is: %s', (text, fault) => {
  writeFileSync(file, text);
  expect(readEnvironmentFile(file, 'required').fault).toBe(fault);
});

test('all variables are read, including those for traces', () => {
  writeFileSync(file, "# a comment\nDAEMON_FLAGS='--grid-host=a'\nOTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318\n");
  expect(readEnvironmentFile(file, 'required').variables).toEqual({
    DAEMON_FLAGS: '--grid-host=a',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
  });
});

describe('an unreadable file', () => {
  test('counts as empty if it is optional', () => {
    for (const absent of [file, `${process.execPath}/daemon.env`])
      expect(readEnvironmentFile(absent, 'optional')).toEqual({
        isThere: false,
        variables: {},
        daemonFlags: [],
        fault: null,
      });
  });

  test('is named in the error if it is required, with a hint', () => {
    expect(() => readEnvironmentFile(file, 'required')).toThrow(
      /^cannot read .*\/daemon\.env: ENOENT: .*\. Check --environment-file\.$/,
    );
  });

  test('is named in the error in any case if it is not a regular file', () => {
    expect(() => readEnvironmentFile(directory, 'optional')).toThrow(/^cannot read .*: EISDIR: /);
  });
});

test('a file that others could change is refused, as its grid gets the password', () => {
  writeFileSync(file, "DAEMON_FLAGS='--grid-host=a'");
  expect(readTrustedEnvironmentFile(file).daemonFlags).toEqual(['--grid-host=a']);
  chmodSync(file, 0o646);
  expect(() => readTrustedEnvironmentFile(file)).toThrow(
    /^cannot use --environment-file .* is writable by users other than root \(mode 0646\)\. Run chmod go-w .*\/daemon\.env\.$/,
  );
});
