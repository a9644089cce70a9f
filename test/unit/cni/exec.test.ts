/** Replays the recorded process runs with pure functions: environment and stdin in, code or document out. */
import { describe, expect, test } from 'vitest';
import { peekVersion, readNetworkConfig } from '../../../src/cni/call.ts';
import { isCommand, readEnvironment } from '../../../src/cni/environment.ts';
import { CniError, formatError } from '../../../src/cni/errors.ts';
import { parseNetconf } from '../../../src/cni/netconf.ts';
import { formatResult } from '../../../src/cni/result.ts';
import { answerVersion, requireVersion, versionAnswer } from '../../../src/cni/versions.ts';
import { type Environment, execCases, expectAsVector, outcomeOf } from '../../fixture/cni-vectors.ts';

const withCommand = execCases.filter(({ env }) => env.CNI_COMMAND);

/** The recorded stub's answer to every ADD. */
const stubAnswer = { ips: [{ address: '10.9.0.5/24', gateway: '10.9.0.1' }] };

test('a call without CNI_COMMAND is recognised, and left to the program', () => {
  const rest = execCases.filter((row) => !withCommand.includes(row));
  expect(rest.map(({ name }) => name)).toEqual(['no-command', 'no-env-at-all', 'empty-command']);
  expect(rest.some(({ env }) => isCommand(env.CNI_COMMAND))).toBe(false);
});

describe('a call has the same outcome as with the reference', () => {
  test.each(withCommand)('$name', ({ name, env, stdin, outcome }) => {
    const { exitCode, stdout } = run(env, Buffer.from(stdin));
    expectAsVector('exec', name, outcomeOf(exitCode, stdout), outcome);
  });
});

describe('an error object names the version, the failure and the fix', () => {
  const failing = withCommand
    .map((row) => run(row.env, Buffer.from(row.stdin)))
    .filter(({ exitCode }) => exitCode !== 0);

  test.each([...new Set(failing.map(({ stdout }) => stdout))])('%s', (stdout) => {
    expect(JSON.parse(stdout)).toEqual({
      cniVersion: expect.stringMatching(/^\d\.\d\.\d$/),
      code: expect.any(Number),
      msg: expect.stringMatching(/[a-z]{3}/),
      details: expect.stringMatching(/\.$/),
    });
  });
});

test('all missing variables are named in one message', () => {
  expect(() => readEnvironment({ CNI_COMMAND: 'ADD', CNI_IFNAME: '' })).toThrow(
    'required environment variables missing: CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME',
  );
});

test('commands without an attachment ignore the variables of one', () => {
  const dummies = { CNI_CONTAINERID: '../dummy', CNI_NETNS: 'dummy', CNI_IFNAME: 'a/b', CNI_ARGS: 'x', CNI_PATH: '/p' };
  for (const command of ['GC', 'STATUS', 'VERSION']) {
    expect(readEnvironment({ ...dummies, CNI_COMMAND: command })).toEqual({
      command,
      containerId: '',
      netns: '',
      ifName: '',
      args: '',
    });
  }
});

test('DEL works without a namespace', () => {
  const env = { CNI_COMMAND: 'DEL', CNI_CONTAINERID: 'c0ffee', CNI_IFNAME: 'eth0', CNI_NETNS: '' };
  expect(readEnvironment(env)).toMatchObject({ command: 'DEL', netns: '' });
});

/** Runs the pure part of the plugin, in its order of checks. */
function run(env: Environment, stdin: Buffer): { exitCode: number; stdout: string } {
  try {
    const { command } = readEnvironment(env);
    if (command === 'VERSION') return print(versionAnswer(peekVersion(stdin)));
    const { cniVersion, config } = readNetworkConfig(stdin);
    const version = requireVersion(cniVersion, command);
    expect(parseNetconf(config, command)).toMatchObject({ cniVersion: version });
    return command === 'ADD' ? print(formatResult(stubAnswer, version)) : { exitCode: 0, stdout: '' };
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    const document = formatError(error, answerVersion(peekVersion(stdin)));
    return { exitCode: 1, stdout: JSON.stringify(document) };
  }
}

function print(document: object): { exitCode: number; stdout: string } {
  return { exitCode: 0, stdout: JSON.stringify(document) };
}
