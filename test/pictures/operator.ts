/** The operator's view of a host: the commands in a terminal, and the page in a browser. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'puppeteer-core';
import { OperatorHost } from '../e2e/operator/operator-host.ts';
import { daemonFile, dist, pluginFile, run } from '../e2e/program.ts';
import { until } from '../fixture/host.ts';
import { type Grid, startGrid } from '../simulator/grid.ts';
import { reservation } from '../simulator/grid-fixture.ts';
import { terminal } from './terminal.ts';

const web = { config: { name: 'web' }, ipam: { subnet: '10.20.0.0/26', gateway: '10.20.0.1' } };
const batch = { config: { name: 'batch' }, ipam: { subnet: '10.20.1.0/24', gateway: '10.20.1.1' } };
/** A network that is full for one more container. */
const edge = { config: { name: 'edge' }, ipam: { subnet: '10.20.2.0/29', gateway: '10.20.2.1' } };

/** Debian's directory of main plugins. */
const debianPlugins = '/usr/lib/cni';

const pods = ['cart', 'catalog', 'checkout', 'search', 'mail', 'ledger', 'report', 'import'];

export const status = (browser: Browser) => commandPicture(browser, 'status');
export const leases = (browser: Browser) => commandPicture(browser, 'leases');
export const doctor = (browser: Browser) => commandPicture(browser, 'doctor', 'NETCONF');

export async function page(browser: Browser): Promise<Uint8Array> {
  return withHost(async (host) => {
    const file = join(host.directory, 'host.html');
    await host.command('status', `--html=${file}`);
    const page = await browser.newPage();
    await page.setViewport({ width: 1200, height: 900 });
    await page.goto(`file://${file}`);
    const png = await page.screenshot({ type: 'png' });
    await page.close();
    return png;
  });
}

/** @param operands `NETCONF` stands for the host's network configuration */
function commandPicture(browser: Browser, name: string, ...operands: readonly string[]): Promise<Uint8Array> {
  return withHost(async (host, grid) => {
    const netconf = join(host.directory, '10-web.conf');
    writeFileSync(netconf, JSON.stringify({ ...host.config(web), cniVersion: '1.0.0' }));
    const files = operands.map((operand) => (operand === 'NETCONF' ? netconf : operand));
    const flags = name === 'doctor' ? host.flags : [`--socket-dir=${host.socketDir}`];
    const env = { WAPI_PASSWORD: grid.password, CNI_PATH: pluginDirectory(host) };
    const { stdout } = await run(daemonFile, [name, ...files, ...flags], env);
    // A real host has other paths.
    const usual: readonly (readonly [string, string])[] = [
      [host.socketDir, '/run/cni'],
      [host.stateDir, '/var/lib/infoblox-cni'],
      [netconf, '/etc/cni/net.d/10-web.conf'],
      [env.CNI_PATH, '/opt/cni/bin'],
      [dist, '/usr/local/bin'],
    ];
    const shown = (text: string) => usual.reduce((text, [here, there]) => text.replaceAll(here, there), text);
    return terminal(browser, shown(['infoblox-cni', name, ...files].join(' ')), shown(stdout));
  });
}

/** Makes a directory with the main plugins and ours beside them. */
function pluginDirectory(host: OperatorHost): string {
  const directory = join(host.directory, 'plugins');
  mkdirSync(directory);
  for (const name of readdirSync(debianPlugins)) symlinkSync(join(debianPlugins, name), join(directory, name));
  symlinkSync(pluginFile, join(directory, 'infoblox'));
  return directory;
}

/** A host with some pods, one of which has died without a DEL, and a full network. */
async function withHost(draw: (host: OperatorHost, grid: Grid) => Promise<Uint8Array>): Promise<Uint8Array> {
  const grid = await startGrid({ attributes: ['Network Name', 'VM ID', 'VM Name'] });
  const host = await new OperatorHost(grid).start();
  const namespaces = pods.map((pod) => `picture-${process.pid}-${pod}`);
  try {
    for (const namespace of namespaces) execFileSync('ip', ['netns', 'add', namespace]);
    await populate(grid, host, namespaces);
    return await draw(host, grid);
  } finally {
    for (const namespace of namespaces) execFileSync('sh', ['-c', `ip netns del ${namespace} 2>/dev/null || true`]);
    await host.dispose();
    await grid.stop();
  }
}

async function populate(grid: Grid, host: OperatorHost, namespaces: readonly string[]): Promise<void> {
  for (const [n, pod] of pods.entries()) {
    const netns = `/run/netns/${namespaces[n]}`;
    const args = `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${pod}-${n}`;
    const id = (n + 10).toString(16).repeat(6) + String(n).repeat(6);
    await host.add(id, { ...(n % 3 === 2 ? batch : web), netns, args });
  }
  for (let n = 40; n < 60; n += 1) grid.add('fixedaddress', reservation(`10.20.0.${n}`));
  for (let n = 2; n < 7; n += 1) await host.add(`edge${n}`.padEnd(12, '0'), edge);
  await host.call('ADD', { ...edge, containerId: 'one-too-many' });
  execFileSync('ip', ['netns', 'del', namespaces.at(-1) ?? '']);
  await host.command('status');
  await until('it is known how full the networks are', async () => {
    const { networks } = JSON.parse((await host.command('status', '--json')).stdout);
    return networks.every(({ used }: { used: number | null }) => used !== null);
  });
}
