/** `status`: is this host well, on one screen. */
import { messageOf } from '../../../errno.ts';
import { writeRegularFile } from '../../../files/regular-file.ts';
import { UsageError } from '../../daemon/config/command-line.ts';
import { byNetworkAndAddress } from '../../daemon/operator/leases.ts';
import type { Status } from '../../operator-protocol.ts';
import { renderPage } from '../../page/page.ts';
import { ago } from '../../quantity.ts';
import { conditionText, errorText, hostFacts, networkColumns } from '../../status-text.ts';
import { folded, printable } from '../../terminal-text.ts';
import { daemonPlace, defineCommand, json } from '../command.ts';
import { CommandError, type ExitStatus, exitStatus } from '../command-error.ts';
import { askDaemon } from '../daemon-connection.ts';
import { table, writeJson } from '../output/results.ts';

type Condition = Status['conditions'][number];

const output = {
  ...json,
  html: { type: 'string', default: '', description: 'Write a page for people with leases and networks into this file' },
  probe: {
    type: 'string',
    default: '',
    description: 'For probes: say only whether the daemon is live (it answers) or ready (it can serve the next ADD)',
  },
} as const;

export const status = defineCommand({
  examples: [
    ['status', 'One screen: what the daemon knows, and what is wrong'],
    ['status --json', 'The same for a program'],
    ['status --html=host.html', 'The same with all leases as a page for a browser'],
    ['status --probe=ready', 'Whether the next ADD can be served: exit status 0, or 1 with the reason'],
  ],
  groups: { Output: output, Daemon: daemonPlace },
  async run({ flags, socket }) {
    const [one, other] = ['html', 'json', 'probe'].filter((name) => flags[name]);
    if (other !== undefined) throw new UsageError(`--${other} does not go with --${one}`);
    if (flags.probe !== '') return probe(flags.probe, socket);
    const found = await askDaemon({ socket, method: 'operator/status', params: {} });
    if (flags.html !== '') await writePage(flags.html, found, socket);
    else if (flags.json) writeJson(found);
    else process.stdout.write(screen(found, Date.now()));
    return found.conditions.length === 0 ? exitStatus.ok : exitStatus.failed;
  },
});

/** Judges as `/livez` and `/readyz` do. @throws CommandError if the daemon does not answer, or is not ready */
async function probe(kind: string, socket: string): Promise<ExitStatus> {
  if (kind !== 'live' && kind !== 'ready') throw new UsageError('--probe must be live or ready');
  const { notReady } = await askDaemon({ socket, method: 'operator/probe', params: {} });
  if (kind === 'ready' && notReady !== null) throw new CommandError(notReady.message, notReady.hint ?? undefined);
  process.stdout.write('ok\n');
  return exitStatus.ok;
}

/** Makes the page with all leases as well. @throws CommandError if the file cannot be written */
async function writePage(file: string, status: Status, socket: string): Promise<void> {
  const { leases } = await askDaemon({ socket, method: 'operator/leases', params: {} });
  try {
    // It says where containers are: for root, as the socket is, until somebody decides otherwise.
    writeRegularFile(file, renderPage({ status, leases: leases.toSorted(byNetworkAndAddress), now: Date.now() }));
  } catch (error) {
    throw new CommandError(`cannot write ${file}: ${messageOf(error)}`, 'name another file with --html');
  }
  process.stdout.write(`written to ${file}\n`);
}

/** Makes the screen for people; texts from outside are made printable. @param now milliseconds since 1970 */
export function screen(status: Status, now: number): string {
  const { conditions, networks, errors } = status;
  const kinds = new Set(conditions.map(({ kind }) => kind));
  const headline = kinds.size === 0 ? 'well' : `NOT WELL: ${[...kinds].join(', ')}`;
  return [
    `${folded(headline, 0)}\n\n`,
    ...hostFacts(status, now).map(([name, text]) => `${name.padEnd(indent)}${folded(printable(text), indent)}\n`),
    ...section('Conditions', conditionSection(conditions, now)),
    ...section('Networks', networks.length === 0 ? [] : [table(networkColumns, networks)]),
    ...section(
      'Last errors',
      errors.map((error) => `${item(errorText(error))}${fixLine(error.hint)}`),
    ),
  ].join('');
}

/** Conditions of one kind that are shown. */
const maxOfAKind = 5;
/** Columns before a fact. */
const indent = 9;

/** The oldest of each kind: a grid that has lost much makes one for each container. */
function conditionSection(conditions: readonly Condition[], now: number): string[] {
  const kinds = [...Map.groupBy(conditions, ({ kind }) => kind)];
  return kinds.flatMap(([kind, all]) => {
    const lines = all.slice(0, maxOfAKind).map((condition) => conditionLines(condition, now));
    const more = all.length - lines.length;
    return more > 0 ? [...lines, item(`... and ${more} more of ${kind}: --json has them all`)] : lines;
  });
}

function conditionLines(condition: Condition, now: number): string {
  const { kind, hint, since } = condition;
  return `${item(`${kind} for ${ago(since, now)}: ${conditionText(condition)}`)}${fixLine(hint)}`;
}

function item(text: string): string {
  return `  ${folded(printable(text), 4)}\n`;
}

function fixLine(hint: string | null): string {
  return hint === null ? '' : `    ${folded(printable(`fix: ${hint}`), 4)}\n`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`\n${title}\n`, ...lines];
}
