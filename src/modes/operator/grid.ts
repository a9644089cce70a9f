/** The grid, asked by a command itself: with the settings of the service, whether or not the daemon runs. */
import { Conditions } from '../../infoblox/conditions.ts';
import type { Log } from '../../infoblox/log.ts';
import type { Transport } from '../../infoblox/wapi/connection/transport.ts';
import { type Options, readOptions } from '../daemon/config/options.ts';
import { rememberingNothing } from '../daemon/config/trust.ts';
import { buildGridAccess, type GridAccess } from '../daemon/grid-access.ts';
import type { ServiceSettings } from './command.ts';

/** Milliseconds for all that a command asks of the grid. */
const timeout = 60_000;

/** What a way to the grid needs. */
export type GridSettings = Pick<ServiceSettings, 'daemonFlags' | 'env'>;

/**
 * Checks the service's settings, as the daemon does when it starts.
 * @throws UsageError, StartError
 */
export function readSettings({ daemonFlags, env }: GridSettings): Options {
  const options = readOptions(daemonFlags, env, { isTerminal: false });
  return { ...options, tls: rememberingNothing(options.tls) };
}

/**
 * Asks the grid with the service's settings; the session ends with what is asked.
 * @throws UsageError, StartError, and what `use` throws
 */
export async function withGrid<T>(
  settings: GridSettings,
  use: (grid: GridAccess, options: Options, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const options = readSettings(settings);
  const grid = openGrid(options);
  try {
    return await use(grid, options, AbortSignal.timeout(timeout));
  } finally {
    await grid.close();
  }
}

/**
 * Opens the way to the grid with these settings; connects to nothing yet. Its session is to be closed.
 * @param watch stands between the session and the connections
 */
export function openGrid(options: Options, watch?: (transport: Transport) => Transport): GridAccess {
  return buildGridAccess({ options, conditions: new Conditions(), watch, log: silent });
}

/** A command says itself what came of it. */
const silent: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };
