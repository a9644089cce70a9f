/** `gc` releases addresses of dead containers without the reaper's grace period; `gc --host` releases those of a lost host. */
import type { ParsedArgs } from 'citty';
import { nearest, plainSpelling, UsageError } from '../../daemon/config/command-line.ts';
import type { HostReservation, OperatorResult } from '../../operator-protocol.ts';
import { ago, counted, hour } from '../../quantity.ts';
import type { Column } from '../../status-text.ts';
import { daemonPlace, defineCommand, flag, json, type Outcome, text } from '../command.ts';
import { CommandError, exitStatus } from '../command-error.ts';
import { askDaemon } from '../daemon-connection.ts';
import { printedLines, releasedText, table } from '../output/results.ts';
import { ask, canAsk, showingProgress } from '../output/terminal.ts';

/** Reservations per request to the daemon. */
const pageSize = 100;
/** Lines of the table before a question; --dry-run shows all. */
const maxTableLines = 40;
/** A host that reserved an address within this time may be alive. */
const youngMs = hour;

const own = { 'dry-run': flag('Only say what would be released') };
const ofLostHost = {
  host: text(
    '',
    'Release all reservations of another host of this cluster that is gone for good; its name as in the marks',
  ),
  yes: flag('Do not ask whether to release them'),
  confirm: text(
    '',
    "Answers every question: the host's name once more. Needed without a terminal if the host may be alive",
  ),
  now: flag('The host is known to be off: release its blocks of addresses at once, not 25 hours later'),
};

export const gc = defineCommand({
  examples: [
    ['gc --dry-run', 'Show which addresses belong to containers that are proven dead'],
    ['gc', 'Release them now'],
    ['gc --host=host-9', 'Show what host-9 has reserved, ask, and release it'],
    ['gc --host=host-9 --confirm=host-9', 'The same in a script, for a host that is certain to be gone'],
  ],
  groups: { Release: own, 'A lost host': ofLostHost, Output: json, Daemon: daemonPlace },
  async run({ flags, socket }) {
    if (flags.host !== '') return releaseLostHost(socket, flags);
    if (flags.yes || flags.now || flags.confirm !== '')
      throw new UsageError('--yes, --confirm and --now go with --host');
    const dryRun = flags['dry-run'] === true;
    const value = await askDaemon({ socket, method: 'operator/gc', params: { dryRun } });
    return { value, text: () => releasedText(value, dryRun ? 'would release' : 'releasing') };
  },
});

type Flags = ParsedArgs<typeof own & typeof ofLostHost & typeof json>;
type Found = OperatorResult<'operator/host-reservations'>;
type ReleasedBlocks = OperatorResult<'operator/release-host-blocks'>;
const noBlocks: ReleasedBlocks = { blocks: [], waitMs: 0 };

/** @throws CommandError, UsageError */
async function releaseLostHost(socket: string, flags: Flags): Promise<Outcome> {
  const { host, json, confirm } = flags;
  if (confirm !== '' && confirm !== host) throw new UsageError('--confirm must repeat the name that --host gives');
  const found = await showingProgress('asking the grid', () =>
    askDaemon({ socket, method: 'operator/host-reservations', params: { host } }),
  );
  // A script repeats the name, and needs no suggestion.
  const meant = json || confirm !== '' ? '' : await suggestionFor(socket, host, found);
  if (flags['dry-run']) return { value: found, text: () => `${listOf(found, flags)}${meant}` };
  if (!json) process.stdout.write(listOf(found, flags));
  const { reservations, unclear } = found;
  const isAny = reservations.length + found.blocks.length > 0;
  if (isAny && !(await isConfirmed(found, flags))) throw new CommandError('nothing is released');
  const release = await releaseAll(socket, host, reservations);
  const blocks = release.stopped === null ? await releaseBlocks(socket, found, flags) : noBlocks;
  const failed = release.released < reservations.length;
  const text = () => `${reportOf(found, release, host)}${blocksText(blocks, host)}${meant}`;
  return { value: { ...release, unclear, blocks: blocks.blocks }, text, failed };
}

/** Suggests the nearest name that differs in case, separators or domain alone: another letter or digit may be another host. */
async function suggestionFor(socket: string, host: string, { reservations, blocks, unclear }: Found): Promise<string> {
  if (reservations.length + blocks.length + unclear.length > 0) return '';
  const cluster = await showingProgress('asking the grid', () =>
    askDaemon({ socket, method: 'operator/audit-cluster', params: {} }).catch(() => undefined),
  );
  const hosts = [...new Set(cluster?.rows.map((row) => row.host))];
  const alike = hosts.filter((name) => plainSpelling(name) === plainSpelling(host));
  const [ofDomain, ...others] = hosts.filter((name) => isShortOf(name, host) || isShortOf(host, name));
  const meant = nearest(host, alike) ?? (others.length === 0 ? ofDomain : undefined);
  return meant === undefined ? '' : printedLines([`did you mean ${meant}?`]);
}

/** Tells whether a name is another one without its domain. */
function isShortOf(short: string, name: string): boolean {
  return name.toLowerCase().startsWith(`${short.toLowerCase()}.`);
}

/** Asks the daemon to delete the host's blocks, once the host can no longer assign addresses from them. */
async function releaseBlocks(socket: string, { blocks }: Found, { host, now }: Flags): Promise<ReleasedBlocks> {
  if (blocks.length === 0) return noBlocks;
  const params = { host, isOff: now === true };
  return askDaemon({ socket, method: 'operator/release-host-blocks', params });
}

function blocksText({ blocks, waitMs }: ReleasedBlocks, host: string): string {
  if (blocks.length === 0) return '';
  const what = `giving back ${counted(blocks.length, 'block', 'blocks')} of addresses of ${host}`;
  if (waitMs === 0) return printedLines([what]);
  const hours = Math.round(waitMs / hour);
  return printedLines([`${what} in ${hours} hours, unless it reserves again; use --now if it is known to be off`]);
}

type Owned = Pick<Found, 'blocks'> & { readonly reservations: readonly Pick<HostReservation, 'reservedAt'>[] };

/**
 * Says why the operator must repeat a host's name before its reservations are released; undefined if a yes is enough.
 * @param now milliseconds since 1970
 */
export function whyNameIsNeeded({ reservations, blocks }: Owned, now: number): string | undefined {
  const times = reservations.map(({ reservedAt }) => reservedAt);
  const latest = Math.max(...times.map((at) => at ?? Number.NEGATIVE_INFINITY));
  if (now - latest < youngMs) return `it has reserved an address ${ago(latest, now)} ago, so it may be alive`;
  if (blocks.length > 0)
    return 'it has blocks of addresses, and may assign them while its connection to the grid is down';
  if (!times.includes(null)) return undefined;
  return 'the grid does not say when its addresses were reserved, so it may be alive';
}

/** Asks whether to release, unless the command line answers. @throws CommandError if there is neither an answer nor a terminal */
async function isConfirmed(found: Found, { host, yes, confirm }: Flags): Promise<boolean> {
  const why = whyNameIsNeeded(found, Date.now());
  if (confirm === host || (yes && why === undefined)) return true;
  const { reservations, blocks } = found;
  const addresses =
    reservations.length === 0
      ? counted(blocks.length, 'block', 'blocks')
      : counted(reservations.length, 'address', 'addresses');
  if (!canAsk()) {
    const hint = why === undefined ? 'use --yes' : `if it is gone for good, repeat its name: --confirm=${host}`;
    const what = `not releasing ${addresses} of ${host}: ${why ?? 'there is no terminal to ask'}`;
    throw new CommandError(what, hint, exitStatus.usage);
  }
  if (why === undefined) return /^y(es)?$/i.test(await ask(`Release ${addresses} of ${host}? [y/N] `));
  process.stderr.write(`${host}: ${why}.\n`);
  return (await ask(`Type its name to release ${addresses}: `)) === host;
}

/** Progress of the release. */
interface Release extends Pick<OperatorResult<'operator/release-host'>, 'left' | 'stopped'> {
  released: number;
  /** Reservations handled, released or not. */
  done: number;
}

async function releaseAll(socket: string, host: string, reservations: Found['reservations']): Promise<Release> {
  const release: Release = { released: 0, done: 0, left: [], stopped: null };
  const total = reservations.length;
  try {
    await showingProgress('releasing', async (show, signal) => {
      for (let at = 0; at < total && release.stopped === null && !signal.aborted; at += pageSize) {
        const page = reservations.slice(at, at + pageSize).map(({ mark, view }) => ({ mark, view }));
        const onProgress = ({ done }: { readonly done: number }) => {
          release.done = at + done;
          show({ done: at + done, total });
        };
        const params = { host, reservations: page };
        const answer = await askDaemon({ socket, method: 'operator/release-host', params, onProgress });
        release.released += answer.released.length;
        release.left.push(...answer.left);
        release.stopped = answer.stopped;
      }
    });
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    release.stopped = { message: error.message, hint: error.hint ?? null };
  }
  return release;
}

const columns: readonly Column<HostReservation>[] = [
  { title: 'ADDRESS', cell: ({ address }) => address, isWhole: true },
  { title: 'VIEW', cell: ({ view }) => view },
  { title: 'NETWORK', cell: ({ network }) => network },
  { title: 'CONTAINER', cell: ({ containerId }) => containerId },
  { title: 'INTERFACE', cell: ({ ifName }) => ifName },
  { title: 'AGE', cell: ({ reservedAt }) => (reservedAt === null ? '-' : ago(reservedAt, Date.now())), align: 'right' },
];

function listOf({ cluster, reservations, blocks, unclear }: Found, { host, 'dry-run': dryRun }: Flags): string {
  const shown = dryRun ? reservations : reservations.slice(0, maxTableLines);
  const more = reservations.length - shown.length;
  const lines = printedLines([
    ...(more > 0 ? [`... and ${more} more: --dry-run shows them all`] : []),
    ...unclear.map(({ address, view, why }) => `left alone: ${address} in view ${view} ${why}`),
    ...blocks.map(
      ({ first, size, view, network }) => `block of ${size} from ${first} in view ${view}, network ${network}`,
    ),
    `${counted(reservations.length, 'address', 'addresses')} of ${host} in ${cluster}`,
  ]);
  return `${shown.length > 0 ? table(columns, shown) : ''}${lines}`;
}

function reportOf(
  { reservations, blocks, unclear }: Found,
  { released, done, left, stopped }: Release,
  host: string,
): string {
  if (reservations.length === 0 && blocks.length > 0) return '';
  if (reservations.length === 0) {
    // Unclear reservations prove that the name is right.
    const hint =
      unclear.length > 0 ? '' : `; if ${host} had addresses, check what its --node-name and --cluster-name were`;
    return printedLines([`nothing to release${hint}`]);
  }
  const all = `${counted(reservations.length, 'address', 'addresses')} of ${host}`;
  const end =
    stopped === null
      ? [`released ${released} of ${all}`]
      : [
          `stopped after ${done} of ${all}: ${[stopped.message, stopped.hint ?? []].flat().join('; ')}`,
          'run it again for the rest',
        ];
  const addresses = new Map(reservations.map(({ mark, address }) => [mark, address]));
  return printedLines([...left.map(({ mark, why }) => `not released: ${addresses.get(mark)}: ${why}`), ...end]);
}
