/**
 * Imitates the networking of rkt, which is no longer available: `run`, `list`, `enter`, `stop` and `gc` of its last release,
 * as far as CNI is concerned (networking/podenv.go, networking/net_plugin.go). No image is fetched: the pod's program sleeps.
 */
import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const pods = '/var/lib/rkt/pods/run';
const userNetworks = '/etc/rkt/net.d';
/** Directories of plugins, in this order. The last one is that of stage 1, relative to the pod's directory. */
const pluginPaths = ['/usr/lib/rkt/plugins/net', userNetworks, 'stage1/rootfs/usr/lib/rkt/plugins/net'];
/** rkt has its own main plugins in stage 1. Here they are those of the host. */
const mainPlugins = '/usr/lib/cni';

/** The data that rkt keeps of a pod's network: the address instead of the result. */
interface NetInfo {
  readonly netName: string;
  /** The pod's copy of the configuration, which is removed with the attachment. */
  readonly netConf: string;
  readonly ifName: string;
  readonly args: string;
  readonly ip: string;
}

interface Pod {
  readonly image: string;
  /** The process ID of the program. */
  readonly pid: number;
  readonly nets: readonly NetInfo[];
}

const commands: Record<string, (args: string[]) => unknown> = { run, list, enter, stop, gc };

const [name = '', ...args] = process.argv.slice(2);
const command = commands[name];
if (command === undefined) fail(`unknown command "${name}"`);
await command(args);

/** Runs a pod in the foreground. At its end no plugin is called. */
async function run(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    ...{ args, allowPositionals: true },
    options: { interactive: { type: 'boolean' }, net: { type: 'string' }, 'uuid-file-save': { type: 'string' } },
  });
  const [image = fail('must provide at least one image')] = positionals;
  const uuid = randomUUID();
  const directory = join(pods, uuid);
  mkdirSync(join(directory, 'net'), { recursive: true });
  mkdirSync(join(directory, 'stage1/rootfs/usr/lib/rkt/plugins'), { recursive: true });
  symlinkSync(mainPlugins, join(directory, pluginPaths.at(-1) ?? ''));
  process.chdir(directory);
  ip('netns', 'add', `cni-${uuid}`);
  const nets = [values.net ?? fail('only --net=NAME is imitated')].map((net, index) => setUp(uuid, net, `eth${index}`));
  ip('-n', `cni-${uuid}`, 'link', 'set', 'lo', 'up');
  const program = spawn('nsenter', [`--net=${namespace(uuid)}`, 'sleep', 'infinity'], { stdio: 'ignore' });
  const pod: Pod = { image, pid: program.pid ?? 0, nets };
  if (values['uuid-file-save'] !== undefined) writeFileSync(values['uuid-file-save'], uuid);
  writeFileSync('net-info.json', JSON.stringify(pod));
  await new Promise((resolve) => program.once('exit', resolve));
}

/** Adds a pod to a network. A failure ends the pod, and no DEL follows for the failed attachment. */
function setUp(uuid: string, net: string, ifName: string): NetInfo {
  const [, netName = '', args = ''] = /^([^:]*):?(.*)$/.exec(net) ?? [];
  const file = readdirSync(userNetworks)
    .filter((one) => one.endsWith('.conf'))
    .find((one) => JSON.parse(readFileSync(join(userNetworks, one), 'utf8')).name === netName);
  if (file === undefined) fail(`networking: error loading network "${netName}"`);
  const conf = readFileSync(join(userNetworks, file));
  const netConf = join(pods, uuid, 'net', file);
  writeFileSync(netConf, conf);
  const info = { netName, netConf, ifName, args, ip: '' };
  const { status, stdout } = execPlugin('ADD', uuid, info, namespace(uuid));
  if (status !== 0) {
    rmSync(join(pods, uuid), { recursive: true });
    ip('netns', 'del', `cni-${uuid}`);
    fail(`networking: error adding network "${netName}": ${messageIn(stdout)}`);
  }
  // rkt reads only the oldest form of results, in which the address is `ip4`.
  return { ...info, ip: String(JSON.parse(stdout).ip4?.ip ?? '').replace(/\/.*/, '') };
}

/** Runs the main plugin with the unchanged configuration, its whole environment, and CNI_VERSION of the oldest CNI. */
function execPlugin(command: 'ADD' | 'DEL', uuid: string, info: NetInfo, netns: string) {
  const conf = readFileSync(info.netConf);
  const { type } = JSON.parse(conf.toString());
  const plugin = pluginPaths.map((path) => join(path, type)).find((path) => existsSync(path));
  if (plugin === undefined) fail(`could not find plugin "${type}"`);
  const env = {
    ...process.env,
    CNI_VERSION: '0.1.0',
    CNI_COMMAND: command,
    CNI_CONTAINERID: uuid,
    CNI_NETNS: netns,
    CNI_ARGS: info.args,
    CNI_IFNAME: info.ifName,
    CNI_PATH: pluginPaths.join(':'),
  };
  return spawnSync(plugin, [], { input: conf, env, encoding: 'utf8', stdio: ['pipe', 'pipe', 'inherit'] });
}

function list(): void {
  say('UUID      APP     IMAGE NAME              STATE    CREATED  STARTED  NETWORKS');
  for (const [uuid, pod] of allPods()) {
    const app = pod.image.replace(/.*\//, '');
    const nets = pod.nets.map(({ netName, ip }) => `${netName}:ip4=${ip}`).join(', ');
    const state = isRunning(pod) ? 'running' : 'exited ';
    say(`${uuid.slice(0, 8)}  ${app}  ${pod.image}  ${state}  now      now      ${isRunning(pod) ? nets : ''}`);
  }
}

function enter([uuid = '', ...program]: string[]): void {
  const inside = [`--net=${namespace(uuid)}`, 'busybox', ...program];
  process.exitCode = spawnSync('nsenter', inside, { stdio: 'inherit' }).status ?? 1;
}

function stop(args: string[]): void {
  const { values } = parseArgs({ args, options: { 'uuid-file': { type: 'string' } } });
  const uuid = readFileSync(values['uuid-file'] ?? fail('only --uuid-file=FILE is imitated'), 'utf8');
  const pod = allPods().get(uuid) ?? fail(`no pod ${uuid}`);
  process.kill(pod.pid, 'SIGKILL');
  while (isRunning(pod)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
  say(`"${uuid}"`);
}

/** Removes the ended pods. Each network is torn down once: a failure is printed, and not retried. */
function gc(): void {
  for (const [uuid, pod] of allPods()) {
    if (isRunning(pod)) continue;
    say(`Garbage collecting pod "${uuid}"`);
    process.chdir(join(pods, uuid));
    const netns = existsSync(namespace(uuid)) ? namespace(uuid) : '';
    for (const info of [...pod.nets].reverse()) {
      const { status, stdout } = execPlugin('DEL', uuid, info, netns);
      if (status !== 0) process.stderr.write(`error deleting "${info.netName}": ${messageIn(stdout)}\n`);
      rmSync(info.netConf);
    }
    if (netns !== '') ip('netns', 'del', `cni-${uuid}`);
    process.chdir('/');
    rmSync(join(pods, uuid), { recursive: true });
  }
}

function allPods(): Map<string, Pod> {
  const uuids = existsSync(pods) ? readdirSync(pods) : [];
  const known = uuids.filter((uuid) => existsSync(join(pods, uuid, 'net-info.json')));
  return new Map(known.map((uuid) => [uuid, JSON.parse(readFileSync(join(pods, uuid, 'net-info.json'), 'utf8'))]));
}

function isRunning({ pid }: Pod): boolean {
  return existsSync(`/proc/${pid}/ns/net`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

function namespace(uuid: string): string {
  return `/var/run/netns/cni-${uuid}`;
}

function messageIn(stdout: string): string {
  try {
    return JSON.parse(stdout).msg;
  } catch {
    return stdout;
  }
}

function ip(...args: string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0) fail(stderr.trim());
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function fail(why: string): never {
  process.stderr.write(`${name}: ${why}\n`);
  process.exit(254);
}
