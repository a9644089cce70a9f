import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Agent, request } from 'undici';
import { expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../../simulator/main.ts', import.meta.url));

function start(...args: string[]): ChildProcess & { output: () => string } {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  return Object.assign(child, { output: () => output });
}

test('the simulator starts on its own, prints how to reach it, serves, and stops cleanly on a signal', async () => {
  const child = start(
    '--port',
    '0',
    '--password',
    "it's",
    '--network',
    '10.0.0.0/24',
    '--network=10.0.1.0/24',
    '--attribute',
    'Site',
    '--log',
  );
  try {
    await expect.poll(child.output, { timeout: 10_000 }).toMatch(/Try .*\n/);
    const [, url = '', caFile = ''] = /^WAPI +(\S+)\nCA file +(\S+)$/m.exec(child.output()) ?? [];
    const agent = new Agent({ connect: { ca: readFileSync(caFile) } });
    const headers = { authorization: `Basic ${Buffer.from("admin:it's").toString('base64')}` };
    const answer = await request(`${url}network?*Site!=x&_return_fields=network`, { headers, dispatcher: agent });
    expect(await answer.body.json()).toMatchObject([{ network: '10.0.0.0/24' }, { network: '10.0.1.0/24' }]);
    await agent.destroy();
    expect(child.output()).toContain(`curl --cacert ${caFile} -u 'admin:it'\\''s'`);
    await expect.poll(child.output).toMatch(/ 200 GET \/wapi\/v2\.3\/network\?/);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(existsSync(caFile)).toBe(false);
  } finally {
    child.kill('SIGKILL');
  }
});

test('the simulator can listen for other machines, with a certificate for its name and address', async () => {
  const child = start('--listen', '127.0.0.2', '--host-name', 'grid.example.com', '--port', '0');
  try {
    await expect.poll(child.output, { timeout: 10_000 }).toMatch(/Try .*\n/);
    const [, port = '', caFile = ''] =
      /^WAPI +https:\/\/grid.example.com:(\d+)\/.*\nCA file +(\S+)$/m.exec(child.output()) ?? [];
    const ca = readFileSync(caFile);
    for (const servername of ['grid.example.com', 'localhost']) {
      const agent = new Agent({ connect: { ca, servername } });
      const { statusCode } = await request(`https://127.0.0.2:${port}/wapi/v2.3/network`, { dispatcher: agent });
      expect(statusCode).toBe(401);
      await agent.destroy();
    }
    const agent = new Agent({ connect: { ca } });
    const url = `https://127.0.0.2:${port}/wapi/v2.3/network`;
    expect((await request(url, { dispatcher: agent })).statusCode).toBe(401);
    await expect(request(url.replace('0.0.2', '0.0.1'), { dispatcher: agent })).rejects.toThrow('ECONNREFUSED');
    await agent.destroy();
  } finally {
    child.kill('SIGKILL');
  }
});

test('an address of another machine is refused with one line that names it', async () => {
  const child = start('--listen', '192.0.2.99', '--port', '0');
  const [code] = await once(child, 'close');
  expect(code).toBe(1);
  expect(child.output()).toMatch(
    /^simulator: 192.0.2.99 is not an address of this machine: choose one from "ip address"\n$/,
  );
});

test.each([
  [['--prot', '0'], /^simulator: Unknown option '--prot'; see --help\n$/],
  [['--port', '0', 'more'], /^simulator: Unexpected argument 'more'; see --help\n$/],
  [['--port', '0', '--password'], /^simulator: Option '--password <value>' argument missing; see --help\n$/],
  [['--listen', 'eth0'], /^simulator: --listen must be an IPv4 address, not "eth0"; see --help\n$/],
  [
    ['--host-name', 'https://grid'],
    /^simulator: --host-name must be a name or an address alone, not "https:\/\/grid"; see --help\n$/,
  ],
  [['--port', 'http'], /^simulator: --port must be a whole number, not "http"; see --help\n$/],
  [['--port', '0', '--network', 'pods'], /^simulator: --network: Invalid network address 'pods'; see --help\n$/],
])('%j is refused with one line that names it, and status 2', async (args, line) => {
  const child = start(...args);
  const [code] = await once(child, 'close');
  expect(code).toBe(2);
  expect(child.output()).toMatch(line);
});

test('a port in use is refused with one line that names it, with a hint', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  try {
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const child = start('--port', String(port));
    const [code] = await once(child, 'close');
    expect(code).toBe(1);
    expect(child.output()).toMatch(new RegExp(`^simulator: port ${port} on 127.0.0.1 is in use: .*--port 0.*\n$`));
  } finally {
    other.close();
  }
});
