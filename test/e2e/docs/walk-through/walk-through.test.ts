/** Runs docs/walk-through.md literally on two hosts with one grid. rkt.ts imitates how rkt calls plugins. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../../fixture/host.ts';
import { type Block, blocksOf } from '../../../fixture/pages.ts';
import type { NetworkLab } from '../../network-lab.ts';
import { requireBuilt } from '../../program.ts';
import { IsolatedHost } from '../../runtimes/isolated-host.ts';
import { SharedNetwork, sharedNetworkObstacle } from '../../shared-network.ts';
import { outputPattern } from '../console.ts';
import { hostObstacle } from '../throwaway-host.ts';

/** In CI all programs are installed, so that the test fails there instead of being skipped. */
const obstacle = sharedNetworkObstacle() ?? hostObstacle();
const leftOut = obstacle !== undefined && process.env.CI === undefined;
if (leftOut) process.stderr.write(`left out: the walk-through: ${obstacle}\n`);

const page = 'docs/walk-through.md';
const names = ['host-1', 'host-2'];

let lan: SharedNetwork;
const labs: NetworkLab[] = [];
const hosts = new Map<string, IsolatedHost>();

/** rkt's directory of plugins is below /usr/lib, whose other parts are those of the real host. */
const ownLibraries = `
mkdir "$ROOM/lib" "$ROOM/real-lib"
mount --rbind /usr/lib "$ROOM/real-lib"
ln -s "$ROOM/real-lib"/* "$ROOM/lib"
mount --bind "$ROOM/lib" /usr/lib
rm -rf /etc/infoblox-cni /etc/rkt
`;

beforeAll(async () => {
  if (leftOut) return;
  requireBuilt();
  lan = new SharedNetwork();
  await lan.startGrid({ username: 'cni', password: 'secret' });
  lan.addRouter('172.18.1.1/24');
  for (const name of names) {
    const lab = lan.addHost();
    labs.push(lab);
    const host = await IsolatedHost.start(lab, { name, hosts: lan.names, boot: ownLibraries });
    hosts.set(name, host);
    const rkt = host.path('/usr/local/bin/rkt');
    writeFileSync(rkt, `#!/bin/sh\nexec ${process.execPath} ${join(import.meta.dirname, 'rkt.ts')} "$@"\n`);
    chmodSync(rkt, 0o755);
  }
}, 60_000);

afterAll(async () => {
  for (const host of hosts.values()) await host.stop();
  for (const lab of labs) lab.dispose();
  await lan?.dispose();
});

function hostOf(name: string): IsolatedHost {
  const host = hosts.get(name);
  if (host === undefined) throw new Error(`no host ${name}`);
  return host;
}

/** A command of the page, its host, and its output. */
interface Step {
  readonly host: string;
  readonly command: string;
  readonly output: string;
}

/** Parses a console block, in which each command follows the prompt of its host. */
function stepsOf({ text }: Block): Step[] {
  return text.split(/^(?=host-\d+# )/m).map((part) => {
    const [, host = '', command = '', output = ''] = /^(host-\d+)# (.*)\n?([\s\S]*)$/.exec(part) ?? [];
    return { host, command, output };
  });
}

let backgrounds = 0;

/** Runs a block on each host that its comment names, or in the background until the given condition holds. */
async function runScript({ text, comment = '' }: Block): Promise<void> {
  const [, on = '', condition] = /^on: ([^;]*)(?:; background, until (.*))?$/.exec(comment) ?? [];
  for (const host of on.split(' ').map(hostOf)) {
    if (condition === undefined) {
      await host.succeed(inProject(text));
      continue;
    }
    backgrounds += 1;
    const name = `terminal-${backgrounds}`;
    writeFileSync(host.path(`/run/${name}.sh`), inProject(text));
    await host.start(name, `bash /run/${name}.sh`);
    const holds = async () => (await host.run(condition)).exitCode === 0;
    await until(`${condition}: ${host.log(name)}`, holds, 60_000).catch((error) => {
      throw new Error(host.log(name), { cause: error });
    });
  }
}

function inProject(script: string): string {
  return `set -e\ncd "$ROOM/project"\n${script}`;
}

describe.skipIf(leftOut)('the walk-through', () => {
  test('leads from nothing to pods that reach each other, and back', async () => {
    const blocks = blocksOf(page);
    expect(blocks.length).toBeGreaterThan(10);
    for (const block of blocks) {
      const where = `${page}:${block.line}`;
      if (block.language === 'sh') {
        expect(block.comment, where).toMatch(/^on: host-/);
        await runScript(block);
        continue;
      }
      const [, condition] = /^wait: (.*)$/.exec(block.comment ?? '') ?? [];
      for (const { host, command, output } of stepsOf(block)) {
        expect(names, where).toContain(host);
        if (condition !== undefined) {
          await until(condition, async () => (await hostOf(host).run(condition)).exitCode === 0, 60_000);
        }
        const run = await hostOf(host).run(`cd "$ROOM/project"; ${command}`);
        expect(`${run.stdout}${run.stderr}`.trim(), `${where}: ${command}`).toMatch(outputPattern(output));
      }
    }
    // At the end of the page, the grid has no address of a container.
    const reserved = await lan.reserved('priv-view');
    expect(reserved.map(({ comment }) => comment)).toEqual(['infoblox-cni gateway of network=net-1']);
  });

  test('the imitation of rkt calls plugins like rkt', async () => {
    const host = hostOf('host-1');
    const conf = '{ "name": "net-9",  "type": "recorder" }\n';
    writeFileSync(host.path('/etc/rkt/net.d/99-net-9.conf'), conf);
    const recorder = host.path('/usr/lib/rkt/plugins/net/recorder');
    // This plugin answers like a current one, in a form that rkt cannot read, and fails at DEL.
    const script = `{ env | grep ^CNI_; pwd -P; cat; } >/run/$CNI_COMMAND.$(date +%N); echo '{"ips":[]}'; test $CNI_COMMAND = ADD`;
    writeFileSync(recorder, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const told = async (command: string) => host.succeed(`sort /run/${command}.*`);

    const pod = 'rkt run --net="net-9:IP=10.0.0.9;X=y" --uuid-file-save=/run/nine.uuid IMAGE';
    await host.start('nine', `env CNI_MINE=kept ${pod}`);
    await until('the pod runs', async () => (await host.run('rkt list | grep running')).exitCode === 0);
    const uuid = await host.succeed('cat /run/nine.uuid');
    const call = (command: string, netns: string) => [
      ...[conf.trimEnd(), `/var/lib/rkt/pods/run/${uuid}`, 'CNI_ARGS=IP=10.0.0.9;X=y', `CNI_COMMAND=${command}`],
      ...[`CNI_CONTAINERID=${uuid}`, 'CNI_IFNAME=eth0', `CNI_NETNS=${netns}`],
      'CNI_PATH=/usr/lib/rkt/plugins/net:/etc/rkt/net.d:stage1/rootfs/usr/lib/rkt/plugins/net',
      'CNI_VERSION=0.1.0',
    ];
    const add = (await told('ADD')).trimEnd().split('\n');
    expect(add.sort()).toEqual([...call('ADD', `/var/run/netns/cni-${uuid}`), 'CNI_MINE=kept'].sort());
    expect(await host.succeed('rkt list')).toMatch(/net-9:ip4=\s/);

    // The namespace is gone, as after a reboot. A DEL that fails is not retried.
    await host.succeed(`rkt stop --uuid-file=/run/nine.uuid; ip netns del cni-${uuid}`);
    await host.succeed('rkt gc --grace-period=0s; rkt gc --grace-period=0s');
    expect((await told('DEL')).trimEnd().split('\n').sort()).toEqual(call('DEL', '').sort());
  });
});
