/**
 * `make demo`: a container gets its address from a (simulated) Infoblox grid and gives it back, with the built executable and
 * the real bridge plugin of the CNI project. Each step is shown.
 */
import { mkdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import { askDaemon } from '../../src/modes/operator/daemon-connection.ts';
import { BuiltHost } from '../e2e/built-host.ts';
import { wapiGet } from '../e2e/demo/wapi-get.ts';
import { type Container, labObstacle, NetworkLab } from '../e2e/network-lab.ts';
import type { Run } from '../e2e/program.ts';
import { aBlock, blockMarkOf } from '../fixture/a-block.ts';
import { holdBlocks } from '../fixture/held-blocks.ts';
import { type Grid, startGrid } from '../simulator/grid.ts';

let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => (interrupted = true));

/** Clean-ups of everything started or made, run in reverse order in any case. */
const cleanUp: (() => unknown)[] = [];

try {
  await demo();
  console.log('\nDone. Stopping and removing everything that was started here.');
} catch (error) {
  console.error(
    `\n${interrupted ? 'Interrupted' : 'FAILED'}: ${error instanceof Error ? error.message : inspect(error)}`,
  );
  process.exitCode = interrupted ? 130 : 1;
} finally {
  for (const undo of cleanUp.reverse()) await undo();
}

async function demo(): Promise<void> {
  step('A grid. Here it is a simulated one, on this machine:');
  const grid = await startGrid();
  cleanUp.push(() => grid.stop());
  show(`WAPI at ${grid.url}/wapi/v2.3/, user ${grid.username}`);

  step('The daemon, which knows the password and talks to the grid:');
  const host = new BuiltHost(grid);
  cleanUp.push(() => host.dispose());
  show(`$ infoblox-cni-daemon ${host.flags.join(' \\\n    ')}`);
  await host.start();
  await host.daemon.says('grid available');
  for (const { level, message } of host.daemon.lines) show(`${level}: ${message}`);

  step('The network configuration: the example of the original driver, for "type": "bridge".');
  const netconf = exampleNetconf(host.socketDir);
  show(netconf);

  step('STATUS: can a container be started on this network?');
  succeed(await host.call('STATUS', { stdin: JSON.stringify({ ...netconf, cniVersion: '1.1.0' }) }));
  show('exit status 0: yes');

  const lab = openLab();
  const container = lab?.addContainer() ?? { id: 'demo-container', netns: '/run/netns/none' };
  const call = (command: 'ADD' | 'DEL') => callPlugin(command, host, lab, container, netconf);

  step(`ADD: the container ${container.id} starts.`);
  show(
    lab
      ? 'bridge makes the link, asks infoblox for an address, and configures it:'
      : 'infoblox is asked for an address:',
  );
  const before = requestsOfDaemon(grid);
  const added = succeed(await call('ADD'));
  const result: { ips: { address: string }[] } = JSON.parse(added.stdout);
  show(result);
  const spent = requestsOfDaemon(grid) - before;
  show(
    `It took ${added.milliseconds} ms and ${spent} WAPI requests: the first ADD also creates view, network and gateway.`,
  );

  if (lab) {
    step('Inside the container:');
    show(`$ ip addr show dev eth0\n${lab.ipInside(container, 'addr', 'show', 'dev', 'eth0')}`);
    show(`$ ip route\n${lab.ipInside(container, 'route')}`);
  }

  step('On the grid, where the DDI team sees whose address it is:');
  await showReservations(grid);

  step('CHECK: does the container still hold its address?');
  const checked = JSON.stringify({ ...netconf, prevResult: result });
  succeed(await host.call('CHECK', { containerId: container.id, netns: container.netns, stdin: checked }));
  show('exit status 0: yes');

  step('A second container: one WAPI request for its address. DEL answers before it asks the grid.');
  const second = { containerId: 'second', stdin: JSON.stringify(netconf) };
  const begin = requestsOfDaemon(grid);
  const { milliseconds: adding } = succeed(await host.call('ADD', second));
  const afterAdd = requestsOfDaemon(grid);
  show(`ADD: ${adding} ms, WAPI requests: ${afterAdd - begin}`);
  const { milliseconds: deleting } = succeed(await host.call('DEL', second));
  await released(grid, 'container=second ');
  show(`DEL: ${deleting} ms, WAPI requests in the background: ${requestsOfDaemon(grid) - afterAdd}`);

  await startWithoutGrid(grid);

  step('DEL: the first container stops.');
  const { milliseconds } = succeed(await call('DEL'));
  show(`exit status 0 after ${milliseconds} ms; the daemon removes the reservation now`);

  await released(grid, 'container=');
  step('On the grid again. View, network and gateway stay by design: the next container finds them ready.');
  await showReservations(grid);
  show('No container holds an address any more.');
}

/** Starts a container during an outage, on a second host with a block of addresses. */
async function startWithoutGrid(grid: Grid): Promise<void> {
  step('The grid is away. A host with a block of addresses starts containers all the same:');
  const host = new BuiltHost(grid, { node: 'host-b' });
  cleanUp.push(() => host.dispose());
  const block = aBlock({
    mark: blockMarkOf(1, 'host-b'),
    view: 'priv-view',
    cidr: '172.18.1.0/24',
    first: '172.18.1.32',
    size: 16,
    takenAt: Date.now(),
    usedAt: Date.now(),
  });
  mkdirSync(host.stateDir, { mode: 0o700 });
  for (const range of holdBlocks(host.stateDir, [block])) grid.add('range', range);
  show('host-b keeps 172.18.1.32 to 172.18.1.47, a reserved range on the grid, by "block-size": 16.');
  show('Taking one lasts a minute, so the demo has prepared this one.');
  await host.start();
  while ((await blockOf(host))?.state !== 'serving') await pause(20);
  await grid.pause();

  const netconf = exampleNetconf(host.socketDir);
  const stdin = JSON.stringify({ ...netconf, ipam: { ...netconf.ipam, 'block-size': 16 } });
  const third = { containerId: 'third', stdin };
  const { stdout, milliseconds } = succeed(await host.call('ADD', third));
  const { ips }: { ips: { address: string }[] } = JSON.parse(stdout);
  show(`ADD: ${milliseconds} ms, ${ips[0]?.address}, without a request: there is nobody to ask`);

  await grid.resume();
  const isThere = () => grid.fixedAddresses().some(({ comment }) => comment?.includes('container=third '));
  while (!isThere()) await pause(20);
  show('The grid is back, and has the reservation.');
  succeed(await host.call('DEL', third));
}

async function blockOf({ socket }: BuiltHost) {
  const { blocks } = await askDaemon({ socket, method: 'operator/status', params: {} });
  return blocks[0];
}

function exampleNetconf(socketDir: string) {
  return {
    cniVersion: '1.0.0',
    name: 'net-1',
    type: 'bridge',
    bridge: 'br-net-1',
    isGateway: true,
    ipam: {
      type: 'infoblox',
      subnet: '172.18.1.0/24',
      gateway: '172.18.1.1',
      routes: [{ dst: '172.18.0.0/24' }],
      'network-view': 'priv-view',
      'socket-dir': socketDir,
    },
  };
}

/** Makes network namespaces for a host and its container, if this machine allows it. */
function openLab(): NetworkLab | undefined {
  const obstacle = labObstacle();
  if (obstacle !== undefined) {
    step('LEFT OUT: a real network namespace and the real bridge plugin. The IPAM plugin is called directly instead.');
    show(`Why: ${obstacle}.`);
    return undefined;
  }
  const lab = new NetworkLab();
  cleanUp.push(() => lab.dispose());
  return lab;
}

/** Calls the plugin like a container runtime, through the bridge plugin if possible. */
function callPlugin(
  command: 'ADD' | 'DEL',
  host: BuiltHost,
  lab: NetworkLab | undefined,
  container: Container,
  netconf: ReturnType<typeof exampleNetconf>,
): Promise<Run> {
  const { id: containerId, netns } = container;
  if (lab) return lab.runMainPlugin(command, container, 'eth0', netconf);
  return host.call(command, { containerId, netns, stdin: JSON.stringify(netconf) });
}

function succeed(run: Run): Run {
  if (run.exitCode !== 0) throw new Error(`exit status ${run.exitCode}: ${run.stdout}${run.stderr}`);
  return run;
}

/** Asks the grid like a person with curl. */
async function showReservations(grid: Grid): Promise<void> {
  const query = 'fixedaddress?network_view=priv-view&_return_fields=ipv4addr,name,comment';
  show(`GET /wapi/v2.3/${query}`);
  show(await wapiGet(grid, query));
}

/** Waits for the release on the grid, as DEL is answered once it is on disk. */
async function released(grid: Grid, mark: string): Promise<void> {
  const end = performance.now() + 10_000;
  for (;;) {
    const left = grid.fixedAddresses().filter(({ comment }) => comment?.includes(mark));
    if (left.length === 0) return;
    const addresses = left.map(({ ipv4addr }) => ipv4addr).join(', ');
    if (performance.now() > end) throw new Error(`the grid still holds ${addresses}`);
    await pause(20);
  }
}

function requestsOfDaemon(grid: Grid): number {
  return grid.requests.filter(({ agent }) => agent.startsWith('infoblox-cni/')).length;
}

function step(title: string): void {
  if (interrupted) throw new Error('as asked');
  const [bold, plain] = process.stdout.isTTY ? ['\u001b[1m', '\u001b[0m'] : ['', ''];
  console.log(`\n${bold}${title}${plain}`);
}

function show(what: unknown): void {
  const text = typeof what === 'string' ? what.trimEnd() : JSON.stringify(what, null, 2);
  console.log(text.replace(/^/gm, '    '));
}
