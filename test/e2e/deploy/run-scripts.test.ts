/** How the run-*.sh scripts read the settings of a host, for each way to run the daemon. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseFlags } from '../../../src/modes/daemon/config/command-line.ts';
import { deploy, isRoot, ScriptRoom } from './script-room.ts';

let room: ScriptRoom;

beforeEach(() => {
  room = new ScriptRoom();
});

afterEach(() => {
  room.dispose();
});

describe.each([
  ['run-daemon.sh', 'infoblox-cni-daemon'],
  ['run-docker-daemon.sh', 'docker'],
  ['run-rkt-daemon.sh', 'rkt'],
])('%s', (script, program) => {
  if (!isRoot) process.stderr.write(`left out: ${script} is not tried, it needs root\n`);

  /** Runs the script with a stand-in for the program, which prints the arguments for the daemon and answers all other calls. */
  function run(
    args: readonly string[] = [],
    env: Record<string, string> = {},
    {
      print = '',
      answer = 'echo well; exit',
      ...as
    }: { readonly uid?: number; readonly print?: string; readonly answer?: string; readonly prelude?: string } = {},
  ) {
    const answers = `case "$*" in
info | *check-config*) exit ;;
*RestartCount*) echo 'true 0'; exit ;;
container*) exit 1 ;;
exec* | enter* | status*) ${answer} ;;
esac`;
    room.standIn(program, `${answers}\n${print}\nprintf "%s\\n" "$@"`);
    return room.run(script, { args, env: { IMAGE: 'image', ...env }, ...as });
  }

  /** Returns the daemon's flags. */
  const flagsOf = (stdout: string) => {
    const lines = stdout.split('\n').slice(0, -1);
    return parseFlags(lines.slice(lines.findIndex((line) => line.startsWith('--wapi-password-file'))));
  };

  it.runIf(isRoot)('passes its flags to the daemon, then those of the caller', () => {
    const flags = run(['--log-level=debug', '--cluster-name=two words']).stdout.trim().split('\n');
    expect(flags.slice(-4)).toEqual([
      '--grid-host=192.168.124.200',
      '--wapi-username=infoblox',
      '--log-level=debug',
      '--cluster-name=two words',
    ]);
  });

  it.runIf(isRoot)('passes on the target of traces from settings or environment, without showing its key', () => {
    room.configure(
      "DAEMON_FLAGS=''\nOTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318\nOTEL_EXPORTER_OTLP_HEADERS='x-api-key=two words'\n",
    );
    const names = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_SERVICE_NAME'];
    const { stdout } = run([], { OTEL_SERVICE_NAME: 'addresses' }, { print: 'printenv | grep ^OTEL_ | sort; echo --' });
    const [handedOn = '', args = ''] = stdout.split(/^--\n/m, 2);
    const values = ['http://127.0.0.1:4318', 'x-api-key=two words', 'addresses'];
    expect(handedOn.trim().split('\n')).toEqual(names.map((name, index) => `${name}=${values[index]}`));
    expect(args).not.toContain('x-api-key');
    // With docker, its daemon starts the container with the given variables only.
    if (program === 'docker') expect(args.match(/^--env=.*$/gm)).toEqual(names.map((name) => `--env=${name}`));
  });

  it.runIf(isRoot)('disables core dumps, which would contain the password', () => {
    const { stdout } = run([], {}, { print: 'ulimit -c', prelude: 'ulimit -c unlimited' });
    expect(stdout.split('\n')[0]).toBe('0');
    // Docker's daemon starts the container with limits of its own.
    if (program === 'docker') expect(stdout).toContain('--ulimit\ncore=0\n');
  });

  it.runIf(isRoot)('reports when the daemon answers, and its health', () => {
    expect(run([], { WAIT: '5' }).stderr).toBe(`${script}: the daemon answers at /run/cni/infoblox.sock: well\n`);
  });

  it.runIf(isRoot)('starts nothing while another daemon is running', () => {
    const server = createServer().listen(room.path('infoblox.sock'));
    room.remove('awk');
    expect(run([`--socket-dir=${room.path()}`])).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringMatching(
        new RegExp(`^${script}: another daemon listens at ${room.path('infoblox.sock')}: stop it first.*\\n$`),
      ),
    });
    server.close();
  });

  it.runIf(isRoot)('reports the missing program if there is nothing to run', () => {
    const env = { PATH: '/usr/bin:/bin', DAEMON: 'no-daemon', DOCKER: 'no-docker', IMAGE: 'image' };
    const message = expect.stringMatching(new RegExp(`^${script}: no (no-daemon|no-docker|rkt)[: (]+\\w+`));
    expect(room.run(script, { env })).toMatchObject({ status: 1, stdout: '', stderr: message });
  });

  it('turns no check of the runtime off', () => {
    const commands = readFileSync(join(deploy, script), 'utf8').replace(/^#.*/gm, '');
    expect(commands).not.toContain('insecure');
  });

  it('refuses to run without root', () => {
    const nobody = isRoot ? { uid: 65534 } : {};
    expect(run([], {}, nobody)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('must be run as root'),
    });
  });

  // All of them source daemon-environment.sh, so one is enough for what it does.
  if (script !== 'run-daemon.sh') return;

  it.runIf(isRoot)('reads the settings of the systemd unit, and the password by file', () => {
    room.configure();
    expect(run().stdout.trim().split('\n').slice(-3)).toEqual([
      `--wapi-password-file=${room.path('etc/wapi-password')}`,
      '--grid-host=grid.example.com',
      '--wapi-username=cni',
    ]);
  });

  it.runIf(isRoot)('accepts the shipped settings, which pin the key of the grid', () => {
    room.configure(readFileSync(join(deploy, 'systemd/daemon.env'), 'utf8'));
    expect(flagsOf(run().stdout)).toMatchObject({
      'grid-host': '192.168.124.200',
      'wapi-username': 'infoblox',
      'ssl-verify': 'pin',
    });
  });

  // The result of systemd 257 for the same lines.
  it.runIf(isRoot).each([
    [
      `'--labels="Site=Paris,Owner=Network team" --node-name=a'`,
      ['--labels=Site=Paris,Owner=Network team', '--node-name=a'],
    ],
    [`"--labels='Owner=Network team' --node-name=a"`, ['--labels=Owner=Network team', '--node-name=a']],
    [`"--labels=\\"Owner=Network team\\""`, ['--labels=Owner=Network team']],
    [String.raw`'--labels=Owner=Network\ team'`, ['--labels=Owner=Network team']],
    [
      '\'--labels="Owner=$HOME `id`" --network-view=* --node-name=R&D;x\'',
      ['--labels=Owner=$HOME `id`', '--network-view=*', '--node-name=R&D;x'],
    ],
    ['"--node-name=a \\\n  --labels=B=c"', ['--node-name=a', '--labels=B=c']],
    ["'--node-name=a\n  --labels=B=c\n'", ['--node-name=a', '--labels=B=c']],
    ["''", []],
  ])('splits DAEMON_FLAGS=%s like systemd', (value, flags) => {
    room.configure(`DAEMON_FLAGS=${value}\n`);
    const lines = run(['--log-level=debug']).stdout.trim().split('\n');
    expect(lines.slice(lines.findIndex((line) => line.startsWith('--wapi-password-file')) + 1)).toEqual([
      ...flags,
      '--log-level=debug',
    ]);
  });

  it.runIf(isRoot)('reports a quote that is not closed', () => {
    room.configure(`DAEMON_FLAGS='--labels="Owner=Network team'\n`);
    const { status, stdout, stderr } = run();
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain(`DAEMON_FLAGS in ${room.path('etc/daemon.env')} has an unmatched quote`);
  });

  it.runIf(isRoot)('prefers a password file in the settings, like the unit', () => {
    room.configure("DAEMON_FLAGS='--wapi-password-file=/etc/infoblox-cni/other'\n");
    expect(flagsOf(run().stdout)['wapi-password-file']).toBe('/etc/infoblox-cni/other');
  });

  it.runIf(isRoot)('passes an empty password file, too, as it may be filled later', () => {
    room.configure(undefined, '');
    expect(flagsOf(run().stdout)['wapi-password-file']).toBe(room.path('etc/wapi-password'));
  });

  it.runIf(isRoot)('ignores the password file if WAPI_PASSWORD is set', () => {
    room.configure();
    const { stdout } = run([], { WAPI_PASSWORD: 'from the environment' });
    expect(stdout).toMatch(/--wapi-username=cni\n$/);
    expect(stdout).not.toContain('from the environment');
  });

  it.runIf(isRoot)('does not report a new daemon as unhealthy before its first answer of the grid', () => {
    const asked = room.path('asked');
    const isSecond = `[ "$(wc -l <${asked})" -ge 2 ]`;
    const notYet = "echo 'NOT WELL: grid-not-seen'; exit 1";
    const stderrOf = (answer: string, env: Record<string, string> = {}) => {
      writeFileSync(asked, '');
      // The stand-in for the daemon ends after the second question.
      const print = `until ${isSecond}; do sleep 0.1; done; sleep 1`;
      return run([], env, { answer: `echo >>${asked}; ${answer}`, print }).stderr;
    };
    expect(stderrOf(`if ${isSecond}; then echo well; exit; fi; ${notYet}`)).toMatch(/: well\n$/);
    expect(stderrOf(notYet, { WAIT: '1' })).toMatch(/: NOT WELL: grid-not-seen\n$/);
  });
});
