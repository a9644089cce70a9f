/** The scripts that run the daemon as a container, with stand-ins for docker and rkt that record their calls. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { createTar } from 'nanotar';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deploy, isRoot, ScriptRoom } from './script-room.ts';

if (!isRoot)
  process.stderr.write('left out: run-docker-daemon.sh, run-rkt-daemon.sh and run-aci-daemon.sh need root\n');

let room: ScriptRoom;

beforeEach(() => {
  room = new ScriptRoom();
});

afterEach(() => {
  room.dispose();
});

/** Returns the calls of the stand-in, each by its first words. */
function calls(length = 2): string[] {
  const file = room.path('calls');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  return lines.map((line) => line.split(' ').slice(0, length).join(' '));
}

/** Makes a stand-in. @param answers cases of the shell. Other calls succeed without output */
function standIn(program: string, answers: readonly string[]): void {
  room.standIn(program, `echo "$*" >>${room.path('calls')}\ncase "$*" in\n${answers.join('\n')}\nesac`);
}

describe.runIf(isRoot)('run-docker-daemon.sh', () => {
  const script = 'run-docker-daemon.sh';
  const name = 'localhost/infoblox-cni-daemon:1.0.0';
  /** Queries of the script about a running container, and about the started one. */
  const former = "'container inspect --format {{.State.Running}} {{.Path}} infoblox-cni-daemon')";
  const started = "'container inspect'*) echo 'true 0' ;;";
  const none = ["'image inspect'*) exit 1 ;;", `${former} exit 1 ;;`, started];
  const answer = 'exec*) echo well ;;';

  function archive(): string {
    const manifest = [{ Config: 'blobs/sha256/0123abcd', RepoTags: [name], Layers: [] }];
    const file = room.path('image.tar');
    writeFileSync(file, createTar([{ name: 'manifest.json', data: JSON.stringify(manifest) }]));
    return file;
  }

  it('loads the image of the archive, and runs it', () => {
    standIn('docker', [...none, answer]);
    const { status, stderr } = room.run(script, { env: { ARCHIVE: archive() } });
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining(`loading ${name} from`) });
    expect(calls()).toEqual([
      'info',
      'container inspect',
      'image inspect',
      'load --quiet',
      'run --network', // check-config
      'run --network',
      'exec infoblox-cni-daemon',
    ]);
    expect(readFileSync(room.path('calls'), 'utf8')).toMatch(new RegExp(`--detach .* ${name} --grid-host=`));
  });

  it.each(['sha256:0123abcd', '0123abcd'])('does not load an image that docker or podman already has: %s', (id) => {
    standIn('docker', [`'image inspect'*) echo ${id} ;;`, ...none, answer]);
    expect(room.run(script, { env: { ARCHIVE: archive() } }).status).toBe(0);
    expect(calls(1)).not.toContain('load');
  });

  it('runs the loaded image if the archive is missing', () => {
    standIn('docker', [`'image ls'*) echo ${name} ;;`, ...none, answer]);
    expect(room.run(script).status).toBe(0);
    expect(readFileSync(room.path('calls'), 'utf8')).toMatch(new RegExp(`--detach .* ${name} `));
  });

  it('replaces a running container after a check that the daemon would start', () => {
    standIn('docker', [answer, `${former} echo true /usr/local/bin/infoblox-cni-daemon ;;`, started]);
    expect(room.run(script, { env: { IMAGE: 'image' } }).status).toBe(0);
    expect(calls()).toEqual([
      'info',
      'container inspect',
      'run --network', // check-config
      'stop infoblox-cni-daemon',
      'rm --force',
      'run --network',
      'exec infoblox-cni-daemon',
    ]);
  });

  it('mounts the directories of the flags', () => {
    standIn('docker', [...none, answer]);
    room.run(script, { args: ['--socket-dir', '/run/other', '--state-dir=/var/lib/other'], env: { IMAGE: 'image' } });
    const noted = readFileSync(room.path('calls'), 'utf8');
    expect(noted).toContain('--volume /run/other:/run/other ');
    expect(noted).toContain('--volume /var/lib/other:/var/lib/other ');
    expect(noted).toContain('status --socket-dir=/run/other --driver-name=infoblox');
  });

  it.each([
    ['no docker', { DOCKER: 'no-docker' }, [], 'no no-docker (Debian: apt-get install docker.io docker-cli)'],
    ['a docker that fails', {}, ['info) exit 1 ;;'], 'docker does not work here; run docker info'],
    ['no image', {}, [], 'no image: run make image, set ARCHIVE to its archive, or set IMAGE to an image'],
    ['several images', {}, ["'image ls'*) echo a:1; echo a:2 ;;"], 'several images; set IMAGE to one of them: a:1 a:2'],
    ['no such file', { ARCHIVE: '/nowhere.tar' }, [], 'no image at /nowhere.tar'],
    ['a file that is not an image', { ARCHIVE: '/etc/passwd' }, [], '/etc/passwd is not an image of make image'],
    [
      'wrong flags',
      { IMAGE: 'image' },
      ['*check-config*) exit 2 ;;'],
      'nothing was changed: the daemon would not start',
    ],
  ] as const)('reports %s, and changes nothing', (_, env, answers, message) => {
    standIn('docker', answers);
    const { status, stderr } = room.run(script, { env });
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(message) });
    expect(calls(1).filter((call) => ['stop', 'rm', 'load'].includes(call))).toEqual([]);
    expect(calls(20).filter((call) => call.includes('--detach'))).toEqual([]);
  });

  it.each(['true', 'false'])('spares another container of the name: running: %s', (running) => {
    standIn('docker', [`${former} echo ${running} /bin/sleep ;;`]);
    const { status, stderr } = room.run(script, { env: { ARCHIVE: archive() } });
    const message = 'the container infoblox-cni-daemon is not infoblox-cni-daemon, it runs /bin/sleep; rename it first';
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(message) });
    expect(calls()).toEqual(['info', 'container inspect']);
  });

  it.each(['exit 1', 'echo false /usr/local/bin/infoblox-cni-daemon'])(
    'loads nothing while another daemon is running: %s',
    (state) => {
      room.standIn('awk', 'exit 0'); // Another process listens.
      standIn('docker', [`${former} ${state} ;;`]);
      const { status, stderr } = room.run(script, { env: { ARCHIVE: archive() } });
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('another daemon listens at') });
      expect(calls()).toEqual(['info', 'container inspect']);
    },
  );

  it.each([
    ['does not answer', 'exit 3'],
    ['cannot be asked, which docker says on stdout', "echo 'cannot exec in a stopped state: unknown'; exit 126"],
  ])('reports that it waits, and then the log of a daemon that %s', (_, asked) => {
    standIn('docker', [`exec*) ${asked} ;;`, "logs*) echo 'the last line' ;;", ...none]);
    const { status, stderr } = room.run(script, { env: { IMAGE: 'image', WAIT: '2' } });
    expect(status).toBe(1);
    expect(stderr.split('\n').slice(0, -1)).toEqual([
      'run-docker-daemon.sh: waiting up to 2 s for an answer at /run/cni/infoblox.sock',
      'run-docker-daemon.sh: no answer at /run/cni/infoblox.sock; the last lines of the container:',
      'the last line',
      'run-docker-daemon.sh: stopped the container infoblox-cni-daemon',
    ]);
  });
});

describe.runIf(isRoot)('run-aci-daemon.sh', () => {
  const script = 'run-aci-daemon.sh';
  const unknown = "'image cat-manifest'*) exit 1 ;;";
  const tar = 'an image';
  const id = `sha512-${createHash('sha512').update(tar).digest('hex').slice(0, 64)}`;

  function aci({ signed = true } = {}): Record<string, string> {
    const file = room.path('daemon.aci');
    writeFileSync(file, gzipSync(tar));
    if (signed) writeFileSync(`${file}.asc`, 'a signature');
    return { ACI: file };
  }

  it('makes rkt fetch and verify the image, and runs it by its ID', () => {
    standIn('rkt', [unknown, 'enter*) echo well ;;']);
    expect(room.run(script, { env: aci() }).status).toBe(0);
    expect(calls()).toContain(`fetch ${room.path('daemon.aci')}`);
    expect(readFileSync(room.path('calls'), 'utf8')).toMatch(
      new RegExp(`^run --net=host .* ${id} -- --grid-host=`, 'm'),
    );
  });

  it.each(['run-aci-daemon.sh', 'run-rkt-daemon.sh'])(
    'runs an image that rkt already has without a fetch, by %s',
    (either) => {
      standIn('rkt', ['enter*) echo well ;;']);
      expect(room.run(either, { env: aci({ signed: false }) }).status).toBe(0);
      expect(calls(1)).not.toContain('fetch');
      expect(readFileSync(room.path('calls'), 'utf8')).toContain(` ${id} -- `);
    },
  );

  it('replaces a running pod', () => {
    writeFileSync(room.path('uuid'), 'pod-1\n');
    standIn('rkt', ["'status pod-1') echo state=running ;;", 'enter*) echo well ;;']);
    expect(room.run(script, { env: aci() }).status).toBe(0);
    const former = [
      'image cat-manifest',
      'status pod-1',
      'run --net=host', // check-config
      'stop pod-1',
      'status --wait=true',
      'rm pod-1',
      'run --net=host',
    ];
    expect(calls().filter((call) => !call.startsWith('enter'))).toEqual(former);
  });

  it.each([
    ['no signature', () => aci({ signed: false }), 'daemon.aci has no signature: run gpg --armor --detach-sign'],
    ['no image', () => ({}), 'no ACI image: run make aci, or set ACI to an image'],
    ['no such image', () => ({ ACI: '/nowhere.aci' }), 'no ACI image at /nowhere.aci'],
    ['no rkt', () => ({ PATH: '/usr/bin:/bin' }), 'no rkt: its last release is at'],
  ] as const)('reports %s, and starts nothing', (_, env, message) => {
    standIn('rkt', [unknown]);
    const { status, stderr } = room.run(script, { env: env() });
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(message) });
    expect(calls(1).filter((call) => call !== 'image')).toEqual([]);
  });

  it('changes nothing if the daemon would not start', () => {
    writeFileSync(room.path('uuid'), 'pod-1\n');
    standIn('rkt', ['*check-config*) echo "--prefix-length is wrong"; exit 254 ;;', 'status*) echo state=running ;;']);
    const { status, stderr } = room.run(script, { env: aci() });
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('nothing was changed') });
    expect(stderr).toContain('--prefix-length is wrong');
    expect(calls()).toEqual(['image cat-manifest', 'status pod-1', 'run --net=host']);
  });

  it('disables no check of the runtime', () => {
    expect(readFileSync(`${deploy}/${script}`, 'utf8').replace(/^#.*/gm, '')).not.toContain('insecure');
  });
});
