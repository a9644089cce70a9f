/** Defects of the original driver as a process, and the behaviour of this one. */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import { owedDir, socketFile } from '../../../src/modes/protocol.ts';
import type { Defect } from './defects-with-the-grid.ts';

const root = join(import.meta.dirname, '../../..');

interface Ended {
  readonly status: number | null;
  readonly document: Record<string, unknown>;
  readonly milliseconds: number;
}

/** Runs the plugin from its sources. Its output must be one JSON document, or nothing. */
async function plugin(command: string, config: unknown): Promise<Ended> {
  const begin = performance.now();
  const child = spawn(process.execPath, [join(root, 'src/main.ts')], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: {
      CNI_COMMAND: command,
      CNI_CONTAINERID: 'c1',
      CNI_IFNAME: 'eth0',
      CNI_NETNS: '/run/netns/gone',
      CNI_PATH: '/opt/cni/bin',
    },
  });
  child.stdin.end(JSON.stringify(config));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const printed = await text(child.stdout);
  const document = printed === '' ? {} : (JSON.parse(printed) as Record<string, unknown>);
  return { status: await ended, document, milliseconds: performance.now() - begin };
}

/** Lists all files below a directory. */
function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

export const processDefects: readonly Defect[] = [
  {
    original: 'crashed as a plugin on a network configuration without ipam',
    ours: 'says what is missing',
    async run() {
      const { status, document } = await plugin('ADD', { cniVersion: '1.0.0', name: 'net-1', type: 'macvlan' });
      expect(status).toBe(1);
      expect(document).toMatchObject({ cniVersion: '1.0.0', code: 7 });
    },
  },
  {
    original: 'printed an error in front of the JSON when the interface was missing',
    ours: 'looks at no interface and prints one document',
    async run({ host }) {
      const { status, document } = await plugin('ADD', host.config());
      expect(status).toBe(0);
      expect(document).toMatchObject({ cniVersion: '1.1.0', ips: [{ gateway: '10.0.0.1' }] });
    },
  },
  {
    original: 'waited without limit for a daemon that was stopped',
    ours: 'ends in time: an ADD with an error, a DEL with a note for the daemon',
    async run({ host }) {
      const socketDir = join(host.directory, 'stopped');
      mkdirSync(socketDir);
      const config = host.config({ ipam: { 'socket-dir': socketDir } });
      expect(await plugin('ADD', config)).toMatchObject({ status: 1, document: { code: 11 } });
      // This server listens, and never answers.
      const silent = createServer(() => {});
      await new Promise<void>((resolve) => silent.listen(socketFile(socketDir, 'infoblox'), resolve));
      const { status, milliseconds } = await plugin('DEL', config);
      expect(status).toBe(0);
      expect(milliseconds).toBeLessThan(6_000);
      expect(readdirSync(owedDir(socketDir, 'infoblox'))).toHaveLength(1);
      silent.close();
    },
  },
  {
    original: 'lost the release of a container that ended while the daemon was away',
    ours: 'settles it when the daemon is back',
    async run({ host, caller, ledger }) {
      await caller.add('c1');
      await host.stop();
      expect((await plugin('DEL', host.config())).status).toBe(0);
      caller.dies('c1');
      await host.start();
      await ledger.settled();
    },
  },
  {
    original: 'copied its binary over the running one, and removed it before every upgrade',
    ours: 'puts it in place by a rename, and nothing that is deployed removes it',
    async run() {
      expect(readFileSync(join(root, 'deploy/host.sh'), 'utf8')).toMatch(/\bmv -f\b/);
      for (const file of filesBelow(join(root, 'deploy'))) {
        expect(readFileSync(file, 'utf8'), file).not.toMatch(/preStop|rm -rf? .*cni\/bin/);
      }
    },
  },
];
