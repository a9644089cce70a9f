/** Who held an address, for people: the table of its holders, or the answer for one time. */
import { workloadName } from '../../infoblox/workload.ts';
import { UsageError } from '../daemon/config/command-line.ts';
import type { History, Holding } from '../operator-protocol.ts';
import type { Column } from '../status-text.ts';
import { printable } from '../terminal-text.ts';
import { CommandError, type ExitStatus, exitStatus } from './command-error.ts';
import { askDaemon } from './daemon-connection.ts';
import { table, writeJson } from './output/results.ts';

interface HistoryQuestion {
  readonly address: string;
  /** As it was typed; empty: all times. */
  readonly time: string;
  readonly json: boolean | undefined;
  readonly socket: string;
}

/**
 * Asks the daemon and writes the answer.
 * @returns `failed` if nobody of this host held it then
 * @throws UsageError for a time that is none, CommandError if no history is kept
 */
export async function showHistory({ address, time, json, socket }: HistoryQuestion): Promise<ExitStatus> {
  const at = time === '' ? undefined : readTime(time);
  if (at !== undefined && at > Date.now()) throw new UsageError(`--at ${JSON.stringify(time)} is in the future`);
  const history = await askDaemon({ socket, method: 'operator/history', params: { address, at } });
  if (history.since === null) {
    const hint = 'set --lease-history of the daemon to 30d, say, and restart it';
    throw new CommandError('no history is kept: --lease-history is 0', hint);
  }
  if (json) writeJson(history);
  else process.stdout.write(at === undefined ? allHolders(address, history) : holdersThen(address, history));
  const found = history.atTime === null ? history.holdings : history.atTime.holders;
  return found.length > 0 ? exitStatus.ok : exitStatus.failed;
}

/** Reads a time as ISO 8601 writes it, local without a zone; of a day, its beginning. @returns milliseconds since 1970 @throws UsageError */
export function readTime(text: string): number {
  const isIso = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/.test(text);
  // ECMAScript takes a day alone for one in UTC, and a time without a zone for a local one.
  const whole = text.length === '2026-01-02'.length ? `${text}T00:00` : text.replace(' ', 'T');
  const at = isIso ? Date.parse(whole) : Number.NaN;
  if (Number.isNaN(at)) {
    throw new UsageError(
      `--at ${JSON.stringify(text)} must be a time such as 2026-01-02T15:04 or 2026-01-02T15:04:05Z`,
    );
  }
  return at;
}

const columns: readonly Column<Holding>[] = [
  { title: 'FROM', cell: ({ from, recorded }) => from ?? `before ${recorded}`, isWhole: true },
  { title: 'UNTIL', cell: ({ until }) => until ?? 'now', isWhole: true },
  { title: 'RELEASED BY', cell: ({ releasedBy }) => releasedBy ?? '-' },
  { title: 'NETWORK', cell: ({ network }) => network },
  { title: 'VIEW', cell: ({ view }) => view },
  { title: 'CONTAINER', cell: ({ container }) => container },
  { title: 'WORKLOAD', cell: (holding) => (nameOf(holding) === holding.container ? '-' : nameOf(holding)) },
  { title: 'NOTE', cell: ({ overlaps }) => (overlaps ? 'its times contradict others: was the clock set?' : '') },
];

function allHolders(address: string, { holdings, since }: History): string {
  if (holdings.length === 0) return `nobody on this host has held ${printable(address)} since ${since}\n`;
  return `${table(columns, holdings)}nothing is known from before ${since}\n`;
}

const verbs = { held: 'was held', perhaps: 'was perhaps held', released: 'had been released, but not given back yet,' };

function holdersThen(address: string, { atTime, since }: History): string {
  if (atTime === null) return '';
  const { at, holders, before, after } = atTime;
  const lines = holders.map((holding) => `at ${at} ${address} ${verbs[holding.state]} by ${described(holding)}`);
  if (holders.length === 0) {
    const isKnown = since !== null && Date.parse(at) >= Date.parse(since);
    lines.push(
      isKnown
        ? `at ${at} nobody on this host held ${address}; known since ${since}`
        : `nothing is known about ${address} at ${at}: its history begins at ${since}`,
    );
  }
  if (before !== undefined) lines.push(`  before: ${described(before)}`);
  if (after !== undefined) lines.push(`  after: ${described(after)}`);
  return lines.map((line) => `${printable(line)}\n`).join('');
}

function described(holding: Holding): string {
  const { container, network, view, from, recorded, until } = holding;
  return `${nameOf(holding)} (container ${container}, network ${network}, view ${view}) from ${from ?? `before ${recorded}`} until ${until ?? 'now'}`;
}

function nameOf({ container, ...names }: Holding): string {
  return workloadName({ containerId: container, ...names });
}
