/** `leases` lists who holds which address, who held it before, and addresses that the original driver has left. */
import { parseAddress } from '../../../infoblox/address.ts';
import { shownPhases } from '../../../infoblox/lease/lease.ts';
import type { Original } from '../../../infoblox/lease/originals.ts';
import { workloadName } from '../../../infoblox/workload.ts';
import { UsageError } from '../../daemon/config/command-line.ts';
import type { History, Holding } from '../../operator-protocol.ts';
import { counted } from '../../quantity.ts';
import { type Column, minIdWidth } from '../../status-text.ts';
import { daemonPlace, defineCommand, gridFlags, json, type Outcome, text } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { askDaemon } from '../daemon-connection.ts';
import type { GridSettings } from '../grid.ts';
import { leaseTable, printedLines, secondOf, table } from '../output/results.ts';
import { showingProgress } from '../output/terminal.ts';

const filter = {
  network: text('', 'Only of this network, by its "name" in the configuration'),
  container: text('', 'Only of containers whose ID begins like this'),
  address: text('', 'Only of this address'),
  phase: text('', 'Only pending, bound, resting or releasing ones'),
};
const history = {
  history: text('', 'Show who has held this address, and when'),
  at: text('', 'With --history: at this time, 2026-01-02T15:04 (local) or ...Z'),
};
const original = {
  original: text('', "Ask the grid for addresses of the original driver, by its Tenant ID: 'cluster-1', 'CNIEngineID'"),
};

export const leases = defineCommand({
  operands: '[ADDRESS|POD|CONTAINER]',
  examples: [
    ['leases', 'Everything that this host holds'],
    ['leases --phase=releasing', 'Addresses that are being released'],
    ['leases shop/web-1', 'Addresses of a pod by name or of a container by the beginning of its ID, or one address'],
    ['leases --address=172.18.1.7 --json', 'Who has this address, for a program'],
    ['leases --history=172.18.1.7', 'Who has held this address in the last weeks'],
    ['leases --original=cluster-1', 'Addresses that the original driver has left on the grid'],
    ['leases --history=172.18.1.7 --at=2026-01-02T15:04', 'Who held it at that time'],
  ],
  groups: {
    Filter: filter,
    History: history,
    'From the original driver': original,
    Output: json,
    Daemon: daemonPlace,
    'Infoblox grid, with --original': gridFlags,
  },
  asksForFlags: true,
  async run({ flags, operands, socket, ...settings }) {
    const who = readWho(operands);
    refuseMixture(flags, who);
    const address = readAddress('address', flags.address);
    const history = readAddress('history', flags.history);
    if (history !== undefined) return showHistory(history, flags.at, socket);
    if (flags.original !== '') return showOriginals(flags.original, settings);
    const { network, container } = flags;
    const phase = shownPhases.find((name) => name === flags.phase);
    if (flags.phase !== '' && phase === undefined) {
      throw new UsageError(
        `--phase ${JSON.stringify(flags.phase)} must be ${shownPhases.slice(0, -1).join(', ')} or ${shownPhases.at(-1)}`,
      );
    }
    const params = { network: network || undefined, container: container || undefined, address, who };
    const found = await askDaemon({ socket, method: 'operator/leases', params: { ...params, phase } });
    if (found.leases.length === 0) refuseMistyped(who);
    return { value: found.leases, text: () => (found.leases.length === 0 ? 'no leases\n' : leaseTable(found.leases)) };
  },
});

/** An address, valid or not, perhaps with a prefix length; few pods or containers have such a name. */
const likeAddress = /^\d+(\.\d+){2,}(\/\d+)?$|:.*:/;

/** Tells whether a name is probably a mistyped address, if no pod or container has it. */
export function isMistyped(who: string): boolean {
  return likeAddress.test(who) && parseAddress(who) === undefined;
}

/** Refuses a name without leases if it is a mistyped address. @throws UsageError */
export function refuseMistyped(who: string | undefined): void {
  if (who !== undefined && isMistyped(who))
    throw new UsageError(`this host has no lease of ${who}, which is not an IP address`);
}

/** Reads the operand of a command: an address, a pod or a container; undefined without one. @throws UsageError */
export function readWho([who, ...more]: readonly string[]): string | undefined {
  if (more.length > 0) throw new UsageError('one address, pod or container at a time');
  if (who === '') throw new UsageError('name an address, a pod or a container');
  return who;
}

/** Refuses flags that exclude each other. @throws UsageError */
function refuseMixture(
  flags: Readonly<Record<keyof typeof filter | keyof typeof history | 'original', string>>,
  who: string | undefined,
): void {
  if (flags.at !== '' && flags.history === '') throw new UsageError('--at needs --history=ADDRESS');
  const [other] = (['history', 'original'] as const).filter((name) => flags[name] !== '');
  if (other === undefined) return;
  const names = Object.keys({ ...filter, ...original }) as (keyof typeof filter | 'original')[];
  const useless = names.find((name) => name !== other && flags[name] !== '');
  if (useless !== undefined) throw new UsageError(`--${useless} does not go with --${other}`);
  if (who !== undefined) throw new UsageError(`"${who}" does not go with --${other}`);
}

/** Reads an address. @returns its canonical form; undefined if it was not given @throws UsageError */
function readAddress(name: string, text: string): string | undefined {
  const address = parseAddress(text);
  if (address === undefined && text !== '')
    throw new UsageError(`--${name} ${JSON.stringify(text)} must be an IP address`);
  return address;
}

/**
 * Asks the daemon for an address's history. Fails if no container of this host held it at that time.
 * @param time as typed; empty: all times
 * @throws UsageError for an invalid time, CommandError if no history is kept
 */
async function showHistory(address: string, time: string, socket: string): Promise<Outcome> {
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

/** Parses an ISO 8601 time, local if without a zone; a day means its beginning. @returns milliseconds since 1970 @throws UsageError */
export function readTime(text: string): number {
  const isIso = /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/.test(text);
  // ECMAScript reads a date alone as UTC, but a time without a zone as local.
  const whole = text.length === '2026-01-02'.length ? `${text}T00:00` : text.replace(' ', 'T');
  const at = isIso ? Date.parse(whole) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw new UsageError(`--at ${JSON.stringify(text)} must be a time such as 2026-01-02T15:04 or 2026-01-02T15:04:05Z`);
}

const note: Column<Holding> = {
  title: 'NOTE',
  cell: (holding) => {
    if (holding.overlaps) return 'its times contradict others: was the clock set?';
    return holding.until !== null && holding.returned === null ? 'not returned to the grid yet' : '';
  },
};

const holdingColumns: readonly Column<Holding>[] = [
  { title: 'FROM', cell: beginOf, isWhole: true },
  { title: 'UNTIL', cell: endOf, isWhole: true },
  { title: 'RELEASED BY', cell: ({ releasedBy }) => releasedBy ?? '-' },
  { title: 'NETWORK', cell: ({ network }) => network, whenNarrow: 'left out' },
  { title: 'VIEW', cell: ({ view }) => view, whenNarrow: 'left out' },
  { title: 'CONTAINER', cell: ({ container }) => container, whenNarrow: 'shortened last', minWidth: minIdWidth },
  {
    title: 'WORKLOAD',
    cell: (holding) => (nameOf(holding) === holding.container ? '-' : nameOf(holding)),
    whenNarrow: 'shortened last',
  },
];

/** Writes the table of all who have held an address on this host. */
export function allHolders(address: string, holdings: readonly Holding[], since: string): string {
  if (holdings.length === 0)
    return printedLines([`no container on this host has held ${address} since ${secondOf(since)}`]);
  const columns = holdings.some((holding) => note.cell(holding) !== '') ? [...holdingColumns, note] : holdingColumns;
  return `${table(columns, holdings)}nothing is known from before ${secondOf(since)}\n`;
}

const verbs = {
  held: 'was held',
  perhaps: 'was perhaps held',
  released: 'had been released, but was not back on the grid yet,',
};

function holdersThen(address: string, then: NonNullable<History['atTime']>, since: string): string {
  const { holders, before, after } = then;
  const at = secondOf(then.at);
  const none =
    Date.parse(then.at) >= Date.parse(since)
      ? `at ${at} no container on this host held ${address}; known since ${secondOf(since)}`
      : `nothing is known about ${address} at ${at}: its history begins at ${secondOf(since)}`;
  return printedLines([
    ...holders.map((holding) => `at ${at} ${address} ${verbs[holding.state]} by ${described(holding)}`),
    ...(holders.length === 0 ? [none] : []),
    ...(before === undefined ? [] : [`  before: ${described(before)}`]),
    ...(after === undefined ? [] : [`  after: ${described(after)}`]),
  ]);
}

/** Describes who held an address, and when. */
export function described(holding: Holding): string {
  const { container, network, view } = holding;
  return `${nameOf(holding)} (container ${container}, network ${network}, view ${view}) from ${beginOf(holding)} until ${endOf(holding)}`;
}

function beginOf({ from, recorded }: Holding): string {
  return from === null ? `before ${secondOf(recorded)}` : secondOf(from);
}

function endOf({ until }: Holding): string {
  return until === null ? 'now' : secondOf(until);
}

function nameOf({ container, ...names }: Holding): string {
  return workloadName({ containerId: container, ...names });
}

const originalColumns: readonly Column<Original>[] = [
  { title: 'ADDRESS', cell: ({ address }) => address, isWhole: true },
  { title: 'NETWORK', cell: ({ network }) => network },
  { title: 'VIEW', cell: ({ view }) => view },
  { title: 'CONTAINER', cell: ({ containerId }) => containerId },
  { title: 'POD', cell: ({ name }) => name || '-' },
  { title: 'MAC', cell: ({ mac }) => mac },
  { title: 'NOTE', cell: ({ altered }) => (altered === undefined ? '' : `left alone: it ${altered}`) },
];

/** Lists the original driver's addresses in all views of the grid. @param tenant the driver's `Tenant ID` */
async function showOriginals(tenant: string, settings: GridSettings): Promise<Outcome> {
  // Loaded only here: the grid's client would slow the start of every command.
  const [{ withGrid }, { listOriginals }] = await Promise.all([
    import('../grid.ts'),
    import('../../../infoblox/lease/originals.ts'),
  ]);
  const found = await withGrid(settings, ({ grid }, _, signal) =>
    showingProgress('asking the grid', () => Array.fromAsync(listOriginals(grid, { tenant }, signal))),
  );
  const count = `${counted(found.length, 'address', 'addresses')} of the original driver with the tenant ${tenant}\n`;
  return { value: found, text: () => `${found.length === 0 ? '' : table(originalColumns, found)}${count}` };
}
