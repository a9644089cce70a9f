import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Host } from '../../test/fixture/host.ts';
import { atMost, type Measurement, type Row, type Settings } from '../figure.ts';
import { RemoteGrid } from '../remote-grid.ts';

const sources = join(import.meta.dirname, '../../src');
const maxFiles = 55;

type Scripts = readonly Profiler.ScriptCoverage[];

export const warmAdd: Measurement = {
  name: 'warm-add',
  about:
    'files of src/ of which a further ADD executes a function, as V8 counts: the plugin in its own process, the ' +
    'daemon in the bench process, both from their sources. Code that runs while a file is loaded does not count.',
  run: measure,
};

async function measure({ progress }: Settings): Promise<Row[]> {
  progress('warm-add: counting the files of an ADD');
  const grid = await RemoteGrid.start();
  const host = await new Host(grid.access).start();
  try {
    await add(host, 'first');
    const { plugin, daemon } = await watched(() => add(host, 'warm'));
    const [ofPlugin, ofDaemon] = [executed(plugin), executed(daemon)];
    const files = new Set([...ofPlugin, ...ofDaemon]).size;
    const detail = `${ofPlugin.size} of the plugin, ${ofDaemon.size} of the daemon`;
    return [atMost('files that a warm ADD executes', files, maxFiles, '', detail)];
  } finally {
    await host.dispose();
    await grid.stop();
  }
}

/**
 * Does some work.
 * @returns the scripts executed in this process and those that the work returns
 */
async function watched(work: () => Promise<Scripts>): Promise<{ readonly plugin: Scripts; readonly daemon: Scripts }> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true });
  await session.post('Profiler.takePreciseCoverage');
  const plugin = await work();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  session.disconnect();
  return { plugin, daemon: result };
}

/**
 * Runs the plugin from its sources.
 * @returns the scripts that it executed
 */
async function add(host: Host, container: string): Promise<Scripts> {
  const directory = mkdtempSync(join(tmpdir(), 'infoblox-cni-bench-'));
  try {
    const env = {
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: container,
      CNI_IFNAME: 'eth0',
      CNI_NETNS: '/run/netns/none',
      CNI_PATH: '/opt/cni/bin',
      NODE_V8_COVERAGE: directory,
    };
    const plugin = spawn(process.execPath, [join(sources, 'main.ts')], { env, stdio: ['pipe', 'ignore', 'inherit'] });
    plugin.stdin.end(JSON.stringify(host.config()));
    const [status] = await once(plugin, 'exit');
    if (status !== 0) throw new Error(`the plugin ended with ${status}`);
    const [file = ''] = readdirSync(directory);
    return JSON.parse(readFileSync(join(directory, file), 'utf8')).result;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Returns the files of src/ of which a function was called. */
function executed(scripts: Scripts): ReadonlySet<string> {
  const wasCalled = ({ functionName, ranges: [range] }: Profiler.FunctionCoverage) => {
    const isWholeFile = functionName === '' && range?.startOffset === 0;
    return !isWholeFile && range !== undefined && range.count > 0;
  };
  const called = scripts.filter(
    ({ url, functions }) => url.startsWith(`file://${sources}/`) && functions.some(wasCalled),
  );
  return new Set(called.map(({ url }) => url));
}
