/** Opens the grid for commands that ask it themselves, with the service's settings; the daemon need not run. */
import { hostClock } from '../../infoblox/concurrency/clock.ts';
import { Conditions } from '../../infoblox/conditions.ts';
import type { Log } from '../../infoblox/log.ts';
import { type Options, readOptions } from '../daemon/config/options.ts';
import { storingNothing } from '../daemon/config/trust.ts';
import { buildGridAccess, type ExchangeObserver, type GridAccess, resolveAny } from '../daemon/grid-access.ts';
import type { ServiceSettings } from './command.ts';

/** For all requests of one command. */
const timeoutMs = 60_000;

/** Settings needed to open the grid. */
export type GridSettings = Pick<ServiceSettings, 'daemonFlags' | 'env'>;

/**
 * Reads the service's settings as the daemon does, for a command, which stores no keys of the grid.
 * @throws UsageError, StartError
 */
export function readSettings({ daemonFlags, env }: GridSettings): Options {
  const options = readOptions(daemonFlags, env);
  return { ...options, tls: storingNothing(options.tls) };
}

/**
 * Opens the grid with the service's settings, and closes the session after `use`.
 * @throws UsageError, StartError, and what `use` throws
 */
export async function withGrid<T>(
  settings: GridSettings,
  use: (grid: GridAccess, options: Options, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const options = readSettings(settings);
  await resolveAny(options);
  const grid = openGrid(options);
  try {
    return await use(grid, options, AbortSignal.timeout(timeoutMs));
  } finally {
    await grid.close();
  }
}

/** Opens the grid with these settings; connects at the first request. The caller closes it. */
function openGrid(options: Options, observers: readonly ExchangeObserver[] = []): GridAccess {
  const clock = hostClock();
  const { random } = Math;
  return buildGridAccess({ options, conditions: new Conditions(clock), clock, observers, random, log: silent });
}

/** Commands write their results themselves. */
const silent: Log = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };

/** The clocks of this host and of the grid, at one answer. */
export interface ClockReading {
  /** Milliseconds since 1970 by the clock of this host: when the request was sent, and when the answer arrived. */
  readonly sent: number;
  readonly received: number;
  /** Milliseconds since 1970, by the clock of the grid's host, to the second. */
  readonly grid: number;
}

/** Opens the grid for reads only. @param onClock called for each answer */
export function openToLook(options: Options, onClock: (reading: ClockReading) => void): GridAccess {
  return openGrid(options, [looking(onClock)]);
}

/** Refuses each write, and reads the grid's clock in each answer. */
export function looking(onClock: (reading: ClockReading) => void): ExchangeObserver {
  return ({ writes, method }) => {
    if (writes) throw new Error(`a check must change nothing on the grid: ${method}`);
    const sent = Date.now();
    return (answer) => {
      const grid = Date.parse(answer?.date ?? '');
      if (Number.isFinite(grid)) onClock({ sent, received: Date.now(), grid });
    };
  };
}
