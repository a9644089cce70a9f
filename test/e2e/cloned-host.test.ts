/** A cloned disk: the built daemon with the state of another machine, on a machine with its own ID. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { until } from '../fixture/host.ts';
import { rootTest } from '../fixture/root.ts';
import { startGrid } from '../simulator/grid.ts';
import { BuiltHost } from './built-host.ts';
import { daemonFile } from './program.ts';

rootTest(
  'a clone sets the state of the original host aside, and releases none of its leases',
  'a mount namespace',
  async () => {
    const grid = await startGrid();
    const [original, clone] = [new BuiltHost(grid), new BuiltHost(grid)];
    const container = spawn('unshare', ['--net', 'sleep', '60'], { stdio: 'ignore' });
    const netns = `/proc/${container.pid}/ns/net`;
    try {
      await until('the container has a namespace', () => readlinkSync(netns) !== readlinkSync('/proc/self/ns/net'));
      await original.start();
      const address = await original.add('c1', { netns });
      await original.daemon.stop();
      cpSync(original.stateDir, clone.stateDir, { recursive: true });
      // On the clone, which has other processes, every container of the original host looks dead.
      container.kill('SIGKILL');
      await once(container, 'exit');

      const machineId = join(clone.directory, 'machine-id');
      writeFileSync(machineId, `${randomBytes(16).toString('hex')}\n`);
      const script = 'mount --bind "$0" /etc/machine-id && exec "$@"';
      const flags = [...clone.flags, '--node-name=clone', '--reap-after=500ms'];
      const env = { ...process.env, WAPI_PASSWORD: grid.password };
      const daemon = spawn('unshare', ['--mount', 'sh', '-c', script, machineId, daemonFile, ...flags], {
        env,
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      const ended = once(daemon, 'exit');
      let log = '';
      daemon.stderr.setEncoding('utf8').on('data', (text: string) => {
        log += text;
      });
      try {
        await until('the clone listens', () => log.includes('listening') || daemon.exitCode !== null);
        expect(log).toMatch(/state file set aside.*"foreign":true/);
        expect(readdirSync(clone.stateDir).filter((name) => name.includes('foreign')).length).toBeGreaterThan(0);
        expect(await clone.add('c1')).not.toBe(address);
        // This is longer than two looks and the grace period between them.
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        expect(grid.fixedAddresses().map(({ ipv4addr }) => ipv4addr)).toContain(address);
      } finally {
        daemon.kill();
        await ended;
      }
    } finally {
      container.kill('SIGKILL');
      await original.dispose();
      await clone.dispose();
      await grid.stop();
    }
  },
);
