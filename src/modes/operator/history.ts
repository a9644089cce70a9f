/** `leases --history`: who held an address, for people: the table of its holders, or the answer for one time. */
import { workloadName } from '../../infoblox/workload.ts';
import { UsageError } from '../daemon/config/command-line.ts';
import type { History, Holding } from '../operator-protocol.ts';
import type { Column } from '../status-text.ts';
import { CommandError, type Outcome } from './command.ts';
import { askDaemon } from './daemon-connection.ts';
import { printedLines, table } from './output/results.ts';

/**
 * Asks the daemon; it has failed if nobody of this host held the address then.
 * @param time as it was typed; empty: all times
 * @throws UsageError for a time that is none, CommandError if no history is kept
 */
export async function showHistory(address: string, time: string, socket: string): Promise<Outcome> {
  const at = time === '' ? undefined : readTime(time);
  if (at !== undefined && at > Date.now()) throw new UsageError(`--at ${JSON.stringify(time)} is in the future`);
  const value = await askDaemon({ socket, method: 'operator/history', params: { address, at } });
  const { since, atTime, holdings } = value;
  if (since === null) {
    const hint = 'set --lease-history of the daemon to 30d, say, and restart it';
    throw new CommandError('no history is kept: --lease-history is 0', hint);
  }
  const found = atTime === null ? holdings : atTime.holders;
  const text = () => (atTime === null ? allHolders(address, holdings, since) : holdersThen(address, atTime, since));
  return { value, text, failed: found.length === 0 };
}

/** Reads a time as ISO 8601 writes it, local without a zone; of a day, its beginning. @returns milliseconds since 1970 @throws UsageError */
export function readTime(text: string): number {
  const isIso = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/.test(text);
  // ECMAScript takes a day alone for one in UTC, and a time without a zone for a local one.
  const whole = text.length === '2026-01-02'.length ? `${text}T00:00` : text.replace(' ', 'T');
  const at = isIso ? Date.parse(whole) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw new UsageError(`--at ${JSON.stringify(text)} must be a time such as 2026-01-02T15:04 or 2026-01-02T15:04:05Z`);
}

const columns: readonly Column<Holding>[] = [
  { title: 'FROM', cell: beginOf, isWhole: true },
  { title: 'UNTIL', cell: ({ until }) => until ?? 'now', isWhole: true },
  { title: 'RELEASED BY', cell: ({ releasedBy }) => releasedBy ?? '-' },
  { title: 'NETWORK', cell: ({ network }) => network },
  { title: 'VIEW', cell: ({ view }) => view },
  { title: 'CONTAINER', cell: ({ container }) => container },
  { title: 'WORKLOAD', cell: (holding) => (nameOf(holding) === holding.container ? '-' : nameOf(holding)) },
  { title: 'NOTE', cell: ({ overlaps }) => (overlaps ? 'its times contradict others: was the clock set?' : '') },
];

function allHolders(address: string, holdings: readonly Holding[], since: string): string {
  if (holdings.length === 0) return printedLines([`nobody on this host has held ${address} since ${since}`]);
  return `${table(columns, holdings)}nothing is known from before ${since}\n`;
}

const verbs = { held: 'was held', perhaps: 'was perhaps held', released: 'had been released, but not given back yet,' };

function holdersThen(address: string, then: NonNullable<History['atTime']>, since: string): string {
  const { at, holders, before, after } = then;
  const none =
    Date.parse(at) >= Date.parse(since)
      ? `at ${at} nobody on this host held ${address}; known since ${since}`
      : `nothing is known about ${address} at ${at}: its history begins at ${since}`;
  return printedLines([
    ...holders.map((holding) => `at ${at} ${address} ${verbs[holding.state]} by ${described(holding)}`),
    ...(holders.length === 0 ? [none] : []),
    ...(before === undefined ? [] : [`  before: ${described(before)}`]),
    ...(after === undefined ? [] : [`  after: ${described(after)}`]),
  ]);
}

function described(holding: Holding): string {
  const { container, network, view, until } = holding;
  return `${nameOf(holding)} (container ${container}, network ${network}, view ${view}) from ${beginOf(holding)} until ${until ?? 'now'}`;
}

function beginOf({ from, recorded }: Holding): string {
  return from ?? `before ${recorded}`;
}

function nameOf({ container, ...names }: Holding): string {
  return workloadName({ containerId: container, ...names });
}
