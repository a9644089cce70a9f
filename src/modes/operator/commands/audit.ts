/** `audit` compares this host's leases and blocks with the grid; `audit --cluster` lists what all hosts of the cluster have there. */
import { readFileSync } from 'node:fs';
import { isErrno, messageOf } from '../../../errno.ts';
import { shortNodeName } from '../../../infoblox/mark.ts';
import { UsageError } from '../../daemon/config/command-line.ts';
import type { ClusterRow, OperatorResult } from '../../operator-protocol.ts';
import { counted } from '../../quantity.ts';
import type { Column } from '../../status-text.ts';
import { folded, printable } from '../../terminal-text.ts';
import { daemonPlace, defineCommand, flag, json, type Outcome, text } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { askDaemon } from '../daemon-connection.ts';
import { printedLines, secondOf, table } from '../output/results.ts';
import { showingProgress } from '../output/terminal.ts';

const ofCluster = {
  cluster: flag('List what all hosts of this cluster have on the grid, and unused views and networks of the driver'),
  hosts: text('', 'With --cluster: a file with the names of existing hosts; all others are marked'),
};
const output = { ...json, csv: flag('With --cluster: write the hosts as CSV') };

export const audit = defineCommand({
  examples: [
    ['audit', 'Compare the leases and blocks of this host with the grid, with a fix for each difference'],
    ['audit --cluster --hosts=hosts.txt', 'All hosts of this cluster, and which of them the file does not name'],
    ['audit --cluster --csv', 'The same as a report'],
  ],
  groups: { Cluster: ofCluster, Output: output, Daemon: daemonPlace },
  run({ flags: { cluster, hosts, csv, json: isJson }, socket }) {
    if (!cluster && (csv || hosts !== '')) throw new UsageError('--csv and --hosts go with --cluster');
    if (csv && isJson) throw new UsageError('--csv does not go with --json');
    return cluster ? auditCluster(socket, hosts, csv ? csvOf : clusterReport) : auditHost(socket);
  },
});

async function auditHost(socket: string): Promise<Outcome> {
  const value = await showingProgress('asking the grid', () =>
    askDaemon({ socket, method: 'operator/audit', params: {} }),
  );
  return { value, text: () => hostReport(value), failed: value.findings.length > 0 };
}

/** Writes the differences, each with its fix; texts from outside are made printable. */
function hostReport({ leases, findings }: OperatorResult<'operator/audit'>): string {
  const lines = findings.map(({ kind, address, view, network, message, fix }) => {
    const where = `${address} in view ${view}${network === '' ? '' : `, network ${network}`}`;
    return `${folded(printable(`${kind}: ${where}: ${message}`), 2)}\n    ${folded(printable(`fix: ${fix}`), 4)}\n`;
  });
  const compared = counted(leases, 'lease', 'leases');
  const count = findings.length === 0 ? 'the grid agrees' : counted(findings.length, 'difference', 'differences');
  return `${lines.join('')}${compared} compared: ${count}\n`;
}

/** A row, and whether `--hosts` names its host; null without `--hosts`. */
type JudgedRow = ClusterRow & { readonly isExpected: boolean | null };

type Cluster = Omit<OperatorResult<'operator/audit-cluster'>, 'rows'> & { readonly rows: readonly JudgedRow[] };

async function auditCluster(socket: string, file: string, write: (value: Cluster) => string): Promise<Outcome> {
  const expected = file === '' ? null : readNames(file);
  const { rows, ...rest } = await showingProgress('asking the grid', () =>
    askDaemon({ socket, method: 'operator/audit-cluster', params: {} }),
  );
  // This host lives: a list without it is not of the names that marks have, and would make candidates for `gc --host` of all.
  if (expected?.has(rest.node) === false) {
    const hint = 'name the hosts one a line, as the column HOST does';
    throw new CommandError(`${file} does not name this host, ${rest.node}: no host is judged by it`, hint);
  }
  const value = { ...rest, rows: rows.map((row) => ({ ...row, isExpected: expected?.has(row.host) ?? null })) };
  const failed = value.rows.some(({ altered, isExpected }) => altered > 0 || isExpected === false);
  return { value, text: () => write(value), failed };
}

/** Reads the names of hosts, one a line, as marks have them. */
export function namesIn(text: string): ReadonlySet<string> {
  return new Set(text.replace(/#.*/g, '').match(/\S+/g)?.map(shortNodeName));
}

/** @throws CommandError */
function readNames(file: string): ReadonlySet<string> {
  try {
    return namesIn(readFileSync(file, 'utf8'));
  } catch (error) {
    const why = isErrno(error, 'ENOENT') ? 'there is no such file' : messageOf(error);
    throw new CommandError(`cannot read ${file}: ${why}`, 'name a file of host names with --hosts');
  }
}

const columns: readonly Column<JudgedRow>[] = [
  { title: 'HOST', cell: ({ host }) => host, whenNarrow: 'shortened last' },
  { title: 'NETWORK', cell: ({ network }) => network },
  { title: 'VIEW', cell: ({ view }) => view, whenNarrow: 'left out' },
  { title: 'ADDRESSES', cell: ({ addresses }) => String(addresses), align: 'right' },
  { title: 'ALTERED', cell: ({ altered }) => String(altered), align: 'right' },
  { title: 'BLOCKS', cell: ({ blocks }) => String(blocks), align: 'right' },
  { title: 'LAST RESERVATION', cell: ({ lastReservedAt: at }) => (at === null ? '-' : secondOf(at)), isWhole: true },
  { title: 'NOTE', cell: ({ isExpected }) => (isExpected === false ? 'not in --hosts' : ''), isWhole: true },
];

/** Writes the hosts, and unused views and networks; texts from outside are made printable. */
function clusterReport({ cluster, rows, unused }: Cluster): string {
  const unknown = [...new Set(rows.filter(({ isExpected }) => isExpected === false).map(({ host }) => host))];
  const shown = unknown.length > 0 ? columns : columns.filter(({ title }) => title !== 'NOTE');
  return `${rows.length === 0 ? '' : table(shown, rows)}${printedLines([
    `${counted(new Set(rows.map(({ host }) => host)).size, 'host', 'hosts')} of ${cluster}; the grid cannot tell which of them are alive`,
    ...unknown.map((host) => `${host} is not in --hosts: if it is gone for good, gc --host=${host}`),
    ...unused.map(({ view, network, name }) => {
      const what = network === null ? `view ${view}` : `network ${network} in view ${view} (${name})`;
      return `${what} was made by the driver, and no container has an address in it`;
    }),
  ])}`;
}

function csvOf({ rows }: Cluster): string {
  const cell = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const line = (cells: readonly string[]) => `${cells.map((one) => cell(printable(one))).join()}\n`;
  const lines = [
    columns.map(({ title }) => title.toLowerCase()),
    ...rows.map((row) => columns.map(({ cell }) => cell(row))),
  ];
  return lines.map(line).join('');
}
