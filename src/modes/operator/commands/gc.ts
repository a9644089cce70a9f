/** `gc`: releases what is proven dead, without the reaper's period of grace; `gc --host`: what another host has left for good. */
import { UsageError } from '../../daemon/config/command-line.ts';
import type { HostReservation, OperatorResult, Progress } from '../../operator-protocol.ts';
import { ago, counted, hour } from '../../quantity.ts';
import type { Column } from '../../status-text.ts';
import { printable } from '../../terminal-text.ts';
import { daemonPlace, defineCommand, json } from '../command.ts';
import { CommandError, type ExitStatus, exitStatus } from '../command-error.ts';
import { askDaemon } from '../daemon-connection.ts';
import { table, writeJson, writeReleased } from '../output/results.ts';
import { ask, canAsk, progressBar, showingProgress } from '../output/terminal.ts';

/** Reservations that the daemon is asked to release at a time. */
const pageSize = 100;
/** Lines of the table before a question: who wants all of them uses --dry-run. */
const maxTableLines = 40;
/** A host that has reserved an address within this time may well live. */
const youngMs = hour;

const own = {
  'dry-run': { type: 'boolean', description: 'Only say what would be released' },
} as const;
const ofLostHost = {
  host: {
    type: 'string',
    description:
      'Release all that another host of this cluster has reserved, which is gone for good; its name as in the marks',
  },
  yes: { type: 'boolean', description: 'Do not ask whether to release them' },
  confirm: {
    type: 'string',
    default: '',
    description:
      "Answers every question: the host's name once more. Needed, where nobody can be asked, if it may be alive",
  },
} as const;

export const gc = defineCommand({
  examples: [
    ['gc --dry-run', 'Show which addresses belong to containers that are proven dead'],
    ['gc', 'Release them now'],
    ['gc --host=host-9', 'Show what host-9 has reserved, ask, and release it'],
    ['gc --host=host-9 --confirm=host-9', 'The same in a script, for a host that is certain to be gone'],
  ],
  groups: { Release: own, 'A lost host': ofLostHost, Output: json, Daemon: daemonPlace },
  async run({ flags, socket }) {
    const { host, confirm } = flags;
    const given = { dryRun: flags['dry-run'] === true, yes: flags.yes === true, json: flags.json === true };
    if (host !== undefined) return releaseLostHost({ socket, host, confirm, ...given });
    if (given.yes || confirm !== '') throw new UsageError('--yes and --confirm go with --host');
    const { dryRun } = given;
    const result = await askDaemon({ socket, method: 'operator/gc', params: { dryRun } });
    if (flags.json) writeJson(result);
    else writeReleased(result, dryRun ? 'would release' : 'releasing');
    return exitStatus.ok;
  },
});

/** What is known of the lost host, and of what its operator wants. */
interface LostHost {
  readonly socket: string;
  readonly host: string;
  readonly dryRun: boolean;
  readonly json: boolean;
  /** The question whether to release has been answered on the command line. */
  readonly yes: boolean;
  /** The host's name once more; empty if it was not repeated. */
  readonly confirm: string;
}

type Found = OperatorResult<'operator/host-reservations'>;

/** How far the release has come. */
interface Outcome extends Pick<OperatorResult<'operator/release-host'>, 'left' | 'stopped'> {
  released: number;
  /** Those that something has become of. */
  done: number;
}

/** Runs it. @throws CommandError, UsageError */
async function releaseLostHost(options: LostHost): Promise<ExitStatus> {
  const { socket, host, json, dryRun, confirm } = options;
  if (confirm !== '' && confirm !== host) throw new UsageError('--confirm must repeat the name that --host gives');
  const found = await showingProgress('asking the grid', () =>
    askDaemon({ socket, method: 'operator/host-reservations', params: { host } }),
  );
  if (dryRun && json) writeJson(found);
  else if (!json) process.stdout.write(listOf(found, options));
  if (dryRun) return exitStatus.ok;
  if (found.reservations.length > 0 && !(await isConfirmed(found, options))) {
    process.stderr.write('nothing is released\n');
    return exitStatus.failed;
  }
  const outcome = await releaseAll(found, options);
  if (json) writeJson({ ...outcome, unclear: found.unclear });
  else process.stdout.write(reportOf(found, outcome, host));
  return outcome.released === found.reservations.length ? exitStatus.ok : exitStatus.failed;
}

/**
 * Says why whoever wants to release a host's reservations has to repeat its name; undefined if a yes will do.
 * @param now milliseconds since 1970
 */
export function whyNameIsNeeded(
  reservations: readonly Pick<HostReservation, 'reservedAt'>[],
  now: number,
): string | undefined {
  const times = reservations.map(({ reservedAt }) => reservedAt);
  const latest = Math.max(...times.map((at) => at ?? Number.NEGATIVE_INFINITY));
  if (now - latest < youngMs) return `it has reserved an address ${ago(latest, now)} ago, so it may be alive`;
  if (!times.includes(null)) return undefined;
  return 'the grid does not say since when its addresses are reserved, so it may be alive';
}

/** @throws CommandError where nobody can be asked and the command line does not say enough */
async function isConfirmed({ reservations }: Found, { host, yes, confirm }: LostHost): Promise<boolean> {
  const why = whyNameIsNeeded(reservations, Date.now());
  if (confirm === host || (yes && why === undefined)) return true;
  const addresses = counted(reservations.length, 'address', 'addresses');
  if (!canAsk()) {
    const hint = why === undefined ? 'use --yes' : `if it is gone for good, repeat its name: --confirm=${host}`;
    const what = `not releasing ${addresses} of ${host}: ${why ?? 'there is no terminal to ask'}`;
    throw new CommandError(what, hint, exitStatus.usage);
  }
  if (why === undefined) return /^y(es)?$/i.test(await ask(`Release ${addresses} of ${host}? [y/N] `));
  process.stderr.write(`${host}: ${why}.\n`);
  return (await ask(`Type its name to release ${addresses}: `)) === host;
}

async function releaseAll({ reservations }: Found, { socket, host }: LostHost): Promise<Outcome> {
  const outcome: Outcome = { released: 0, done: 0, left: [], stopped: null };
  const interrupt = new AbortController();
  const onSignal = () => interrupt.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const { signal } = interrupt;
  const bar = progressBar('releasing');
  try {
    for (let at = 0; at < reservations.length && outcome.stopped === null; at += pageSize) {
      const page = reservations.slice(at, at + pageSize).map(({ mark, view }) => ({ mark, view }));
      const onProgress = ({ done }: Progress) => {
        outcome.done = at + done;
        bar.show({ done: at + done, total: reservations.length });
      };
      const params = { host, reservations: page };
      const answer = await askDaemon({ socket, method: 'operator/release-host', params, onProgress, signal });
      outcome.released += answer.released.length;
      outcome.left.push(...answer.left);
      outcome.stopped = answer.stopped;
    }
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    outcome.stopped = { message: error.message, hint: error.hint ?? null };
  } finally {
    bar.end();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
  return outcome;
}

const columns: readonly Column<HostReservation>[] = [
  { title: 'ADDRESS', cell: ({ address }) => address, isWhole: true },
  { title: 'VIEW', cell: ({ view }) => view },
  { title: 'NETWORK', cell: ({ network }) => network },
  { title: 'CONTAINER', cell: ({ containerId }) => containerId },
  { title: 'INTERFACE', cell: ({ ifName }) => ifName },
  { title: 'AGE', cell: ({ reservedAt }) => (reservedAt === null ? '-' : ago(reservedAt, Date.now())), align: 'right' },
];

function listOf({ cluster, reservations, unclear }: Found, { host, dryRun }: LostHost): string {
  const shown = dryRun ? reservations : reservations.slice(0, maxTableLines);
  const more = reservations.length - shown.length;
  return [
    ...(shown.length > 0 ? [table(columns, shown)] : []),
    ...(more > 0 ? [`... and ${more} more: --dry-run shows them all\n`] : []),
    ...unclear.map(({ address, view, why }) => printable(`left alone: ${address} in view ${view} ${why}`).concat('\n')),
    `${counted(reservations.length, 'address', 'addresses')} of ${host} in ${cluster}\n`,
  ].join('');
}

function reportOf({ reservations, unclear }: Found, { released, done, left, stopped }: Outcome, host: string): string {
  const addresses = new Map(reservations.map(({ mark, address }) => [mark, address]));
  const all = `${counted(reservations.length, 'address', 'addresses')} of ${host}`;
  const lines = left.map(({ mark, why }) => `not released: ${addresses.get(mark)}: ${why}`);
  if (reservations.length === 0) {
    // Its name was right if something is left alone.
    const hint =
      unclear.length > 0 ? '' : `; if ${host} had addresses, check what its --node-name and --cluster-name were`;
    lines.push(`nothing to release${hint}`);
  } else if (stopped === null) lines.push(`released ${released} of ${all}`);
  else {
    const hint = stopped.hint === null ? '' : `; ${stopped.hint}`;
    lines.push(`stopped after ${done} of ${all}: ${stopped.message}${hint}`, 'run it again for the rest');
  }
  return lines.map((line) => `${printable(line)}\n`).join('');
}
