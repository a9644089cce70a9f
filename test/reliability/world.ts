/** What every test here starts from: a grid with strangers' objects in it, a host, and a ledger of what was told. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Host, type HostOptions, until } from '../fixture/host.ts';
import { type Grid, type GridOptions, startGrid } from '../simulator/grid.ts';
import { Caller } from './calls.ts';
import { Ledger, plantStrangers } from './ledger.ts';
import { ProcessHost } from './process-host.ts';

/** Milliseconds; short, so that what a lost answer may leave is looked for soon. */
export const doubtWindow = { recheck: 100, end: 400 };

export interface WorldOptions extends HostOptions {
  readonly grid?: GridOptions;
  /** The daemon reads its password from `passwordFile(grid)`. */
  readonly passwordFromFile?: boolean;
}

export class World<H extends Host = Host> {
  readonly grid: Grid;
  readonly host: H;
  readonly ledger: Ledger;
  readonly caller: Caller;
  readonly #hosts: Host[];

  constructor(grid: Grid, host: H, ledger: Ledger) {
    this.grid = grid;
    this.host = host;
    this.ledger = ledger;
    this.caller = new Caller(host, ledger);
    this.#hosts = [host];
  }

  /** A further host, in this process, with a daemon and an identity of its own. */
  async another(options: HostOptions & { readonly node: string }): Promise<Caller> {
    const host = new Host(this.grid, { doubtWindow, ...options });
    this.#hosts.push(host);
    await host.start();
    return new Caller(host, this.ledger, options.node);
  }

  async end(): Promise<void> {
    for (const host of this.#hosts) await host.dispose();
    await this.grid.stop();
  }
}

/** The daemon in this process, already listening. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const { grid, ledger } = await startGridWithStrangers(options.grid);
  const { flags = [], passwordFromFile = false } = options;
  writeFileSync(passwordFile(grid), grid.password);
  const source = passwordFromFile ? ['--wapi-password=', `--wapi-password-file=${passwordFile(grid)}`] : [];
  return started(new World(grid, new Host(grid, { doubtWindow, ...options, flags: [...flags, ...source] }), ledger));
}

/** The daemon in a process of its own, already listening. */
export async function startKillableWorld(options: WorldOptions = {}): Promise<World<ProcessHost>> {
  const { grid, ledger } = await startGridWithStrangers(options.grid);
  return started(new World(grid, new ProcessHost(grid, { doubtWindow, ...options }), ledger));
}

/** A world whose daemon does not start leaves nothing behind. */
async function started<H extends Host>(world: World<H>): Promise<World<H>> {
  try {
    await world.host.start();
    return world;
  } catch (error) {
    await world.end();
    throw error;
  }
}

async function startGridWithStrangers(options: GridOptions | undefined) {
  const grid = await startGrid(options);
  plantStrangers(grid);
  const ledger = new Ledger(grid);
  ledger.rememberStrangers();
  return { grid, ledger };
}

/** Removed together with the grid. */
export function passwordFile(grid: Grid): string {
  return join(dirname(grid.caFile), 'password');
}

export function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** The grid goes away and comes back without what `lose` removes: a candidate that was promoted before it knew. */
export async function promote({ grid, host }: Pick<World, 'grid' | 'host'>, lose: () => void): Promise<void> {
  await grid.pause();
  host.log.length = 0;
  // A daemon that asks nothing misses nothing.
  host.call('CHECK', 'none', { config: { prevResult: { ips: [{ address: '10.0.0.99/24' }] } } }).catch(() => {});
  await until('it is missed', () => host.log.some(({ message }) => message.includes('grid unavailable')));
  lose();
  await grid.resume();
}
