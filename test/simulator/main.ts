import { parseArgs } from 'node:util';
import { defineCommand, runMain } from 'citty';
import { WapiError } from './errors.ts';
import { type Grid, startGrid } from './grid.ts';
import type { RequestRecord } from './http/request-log.ts';

const command = defineCommand({
  meta: {
    name: 'simulator',
    description: 'A simulated Infoblox grid: WAPI over HTTPS on 127.0.0.1, for tests, demos and benchmarks',
  },
  args: {
    port: { type: 'string', default: '8443', description: 'TCP port on 127.0.0.1; 0 picks a free one' },
    username: { type: 'string', default: 'admin', description: 'user that may log in' },
    password: { type: 'string', default: 'infoblox', description: "that user's password" },
    latency: { type: 'string', default: '0', description: 'milliseconds that every request takes at least' },
    attribute: { type: 'string', description: 'defines an extensible attribute; may be repeated' },
    network: { type: 'string', description: 'creates a network in the default view; may be repeated' },
    'cloud-licence': { type: 'boolean', description: 'installs the cloud licence with its attributes' },
    log: { type: 'boolean', description: 'prints every request' },
  },
  async run({ args, rawArgs }) {
    const repeated = repeatedFlags(rawArgs);
    const grid = await startGrid({
      port: wholeNumber('port', args.port),
      username: args.username,
      password: args.password,
      latencyMs: wholeNumber('latency', args.latency),
      attributes: repeated.attribute,
      cloudLicence: args['cloud-licence'] === true,
      ...(args.log ? { onFinished: printRequest } : {}),
    });
    try {
      for (const network of repeated.network) grid.add('network', { network });
    } catch (error) {
      await grid.stop();
      if (error instanceof WapiError) fail(error.message);
      throw error;
    }
    printWelcome(grid);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => grid.stop());
  },
});

/** The command-line library keeps only the last of repeated flags; this keeps all. */
function repeatedFlags(rawArgs: string[]): { attribute: string[]; network: string[] } {
  const several = { type: 'string', multiple: true } as const;
  const options = { attribute: several, network: several };
  const { values } = parseArgs({ args: rawArgs, options, strict: false });
  const texts = (list: unknown[] = []) => list.filter((value) => typeof value === 'string');
  return { attribute: texts(values.attribute), network: texts(values.network) };
}

function wholeNumber(flag: string, text: string): number {
  return /^\d{1,5}$/.test(text) ? Number(text) : fail(`--${flag} must be a whole number, not "${text}"`);
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

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

await runMain(command);
