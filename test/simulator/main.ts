import { isIP, isIPv4 } from 'node:net';
import { parseArgs } from 'node:util';
import { type ArgsDef, defineCommand, runMain } from 'citty';
import { WapiError } from './errors.ts';
import { type Grid, startGrid } from './grid.ts';
import type { RequestRecord } from './http/request-log.ts';

/** Status of a wrong command line. */
const usageStatus = 2;

const flags = {
  listen: {
    type: 'string',
    default: '127.0.0.1',
    description: 'IPv4 address to listen on; 0.0.0.0: all addresses of this machine',
  },
  port: { type: 'string', default: '8443', description: 'TCP port; 0 picks a free one' },
  'host-name': { type: 'string', description: 'name or address by which clients reach it, for its certificate' },
  username: { type: 'string', default: 'admin', description: 'user that may log in' },
  password: { type: 'string', default: 'infoblox', description: "that user's password" },
  latency: { type: 'string', default: '0', description: 'milliseconds that every request takes at least' },
  attribute: { type: 'string', description: 'defines an extensible attribute; may be repeated' },
  network: { type: 'string', description: 'creates a network in the default view; may be repeated' },
  'cloud-licence': { type: 'boolean', description: 'installs the cloud licence with its attributes' },
  log: { type: 'boolean', description: 'prints every request' },
} as const satisfies ArgsDef;

const command = defineCommand({
  meta: {
    name: 'simulator',
    description: 'A simulated Infoblox grid: WAPI over HTTPS, for tests, demos and benchmarks',
  },
  args: flags,
  async run({ args, rawArgs }) {
    const given = readStrictly(rawArgs);
    const port = wholeNumber('port', args.port);
    const listen = ipv4Address('listen', args.listen);
    const grid = await startGrid({
      ...{ listen, port, hostName: args['host-name'] && hostName(args['host-name']) },
      username: args.username,
      password: args.password,
      latencyMs: wholeNumber('latency', args.latency),
      attributes: given('attribute'),
      cloudLicence: args['cloud-licence'] === true,
      ...(args.log ? { onFinished: printRequest } : {}),
    }).catch((error) => fail(1, startFailure(error, listen, port)));
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => grid.stop());
    try {
      for (const network of given('network')) grid.add(network.includes(':') ? 'ipv6network' : 'network', { network });
    } catch (error) {
      await grid.stop();
      if (error instanceof WapiError) fail(usageStatus, `--network: ${error.message}`);
      throw error;
    }
    printWelcome(grid);
  },
});

/**
 * Parses flags strictly: the command-line library ignores unknown flags and keeps only the last of repeated ones.
 * @returns a function that returns all values of a flag
 */
function readStrictly(args: string[]): (flag: 'attribute' | 'network') => string[] {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, { type }]) => [name, { type, multiple: type === 'string' }]),
  );
  try {
    const { values } = parseArgs({ args, options });
    return (flag) => [values[flag] ?? []].flat().map(String);
  } catch (error) {
    // The first sentence names the flag; the rest is about other programs.
    return fail(usageStatus, error instanceof Error ? error.message.replace(/\.\s.*/s, '') : String(error));
  }
}

function wholeNumber(flag: string, text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  return fail(usageStatus, `--${flag} must be a whole number, not "${text}"`);
}

function ipv4Address(flag: string, text: string): string {
  if (isIPv4(text)) return text;
  return fail(usageStatus, `--${flag} must be an IPv4 address, not "${text}"`);
}

/** Checks a DNS name (RFC 1123, section 2.1) or an address. */
function hostName(text: string): string {
  if (isIP(text) > 0 || /^[a-z\d]([a-z\d.-]{0,251}[a-z\d])?$/i.test(text)) return text;
  return fail(usageStatus, `--host-name must be a name or an address alone, not "${text}"`);
}

/** Explains why the simulator cannot start. */
function startFailure(error: NodeJS.ErrnoException, listen: string, port: number): string {
  if (error.code === 'EADDRNOTAVAIL')
    return `${listen} is not an address of this machine: choose one from "ip address"`;
  if (error.code === 'EADDRINUSE') {
    return `port ${port} on ${listen} is in use: stop its user, or let the system choose one: node test/simulator/main.ts --port 0`;
  }
  return `cannot start: ${error.message}`;
}

function printWelcome(grid: Grid): void {
  const login = `${grid.username}:${grid.password}`.replaceAll("'", "'\\''");
  console.log(`WAPI     ${grid.url}/wapi/v2.3/`);
  console.log(`CA file  ${grid.caFile}`);
  console.log(`Try      curl --cacert ${grid.caFile} -u '${login}' '${grid.url}/wapi/v2.3/network'`);
}

function printRequest({ at, method, path, query, status, login }: RequestRecord): void {
  const search = new URLSearchParams(query).toString();
  const target = search === '' ? path : `${path}?${search}`;
  console.log(
    `${new Date(at).toISOString()} ${status || '-'} ${method} ${decodeURIComponent(target)}${login ? ' (login)' : ''}`,
  );
}

function fail(status: number, message: string): never {
  console.error(`simulator: ${message}${status === usageStatus ? '; see --help' : ''}`);
  process.exit(status);
}

await runMain(command);
