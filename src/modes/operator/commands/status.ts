/** `status`: is this host well, on one screen. */
import { writeFileSync } from 'node:fs';
import { messageOf } from '../../../infoblox/host/errno.ts';
import { printable } from '../../daemon/log/printable.ts';
import { ago } from '../../duration.ts';
import type { Status } from '../../operator-protocol.ts';
import { renderPage } from '../../page/page.ts';
import { daemonPlace, defineCommand, json } from '../command.ts';
import { CommandError, exitStatus } from '../command-error.ts';
import { askDaemon } from '../daemon-connection.ts';
import { type Column, table } from '../output/table.ts';
import { writeJson } from '../output/write-json.ts';

type Condition = Status['conditions'][number];

const page = {
  html: { type: 'string', default: '', description: 'Write a page for people with leases and networks into this file' },
} as const;

export const status = defineCommand({
  examples: [
    ['status', 'One screen: what the daemon knows, and what is wrong'],
    ['status --json', 'The same for a program'],
    ['status --html=host.html', 'The same with all leases as a page for a browser'],
  ],
  groups: { Output: { ...json, ...page }, Daemon: daemonPlace },
  async run({ flags, socket }) {
    const found = await askDaemon({ socket, method: 'operator/status', params: {} });
    if (flags.html !== '') await writePage(flags.html, found, socket);
    else if (flags.json) writeJson(found);
    else process.stdout.write(screen(found, Date.now()));
    return found.conditions.length === 0 ? exitStatus.ok : exitStatus.failed;
  },
});

/** Makes the page with all leases as well. @throws CommandError if the file cannot be written */
async function writePage(file: string, status: Status, socket: string): Promise<void> {
  const { leases } = await askDaemon({ socket, method: 'operator/leases', params: {} });
  try {
    // It says where containers are: for root, as the socket is, until somebody decides otherwise.
    writeFileSync(file, renderPage({ status, leases, now: Date.now() }), { mode: 0o600 });
  } catch (error) {
    throw new CommandError(`cannot write ${file}: ${messageOf(error)}`, 'name another file in --html');
  }
  process.stdout.write(`written to ${file}\n`);
}

/** Makes the screen for people; texts from outside are made printable. @param now milliseconds since 1970 */
function screen(status: Status, now: number): string {
  const { version, commit, startedAt, node, cluster, driver, conditions } = status;
  const headline = conditions.length === 0 ? 'well' : `NOT WELL: ${conditions.map(({ kind }) => kind).join(', ')}`;
  return [
    `${headline}\n\n`,
    `daemon   infoblox-cni ${version} (${commit}), running for ${ago(startedAt, now)}\n`,
    `host     ${node} in ${cluster}, driver ${driver}\n`,
    `grid     ${gridLine(status.grid, now)}\n`,
    `leases   ${leasesLine(status, now)}\n`,
    ...section(
      'Conditions',
      conditions.map((condition) => conditionLines(condition, now)),
    ),
    ...section('Networks', status.networks.length === 0 ? [] : [table(networkColumns, status.networks)]),
    ...section('Last errors', status.errors.map(errorLine)),
  ].join('');
}

const trustTexts: Readonly<Record<string, string>> = {
  verified: 'certificate verified',
  pinned: 'key pinned',
  unverified: 'CERTIFICATE NOT VERIFIED: set --ssl-verify to pin, true or a file',
};

function gridLine({ hosts, inUse, answeredAt, port, wapiVersion, user, trust }: Status['grid'], now: number): string {
  const answer = answeredAt === null ? 'no answer since the start' : `answered ${ago(answeredAt, now)} ago`;
  const others = hosts.length > 1 ? ` of ${hosts.join(', ')}` : '';
  const who = `WAPI ${wapiVersion} as ${user === '' ? 'nobody (--wapi-username is not set)' : user}`;
  return printable(`${inUse ?? hosts[0]}${others}, port ${port}: ${answer}; ${who}; ${trustTexts[trust] ?? trust}`);
}

function leasesLine({ leases: { bound, pending, releasing }, oldestRelease }: Status, now: number): string {
  const oldest = oldestRelease === null ? '' : ` (the oldest for ${ago(oldestRelease, now)})`;
  return `${bound} bound, ${pending} pending, ${releasing} releasing${oldest}`;
}

function conditionLines({ kind, subject, message, hint, since }: Condition, now: number): string {
  const about = subject === '' || message.includes(subject) ? '' : `${subject}: `;
  return `  ${kind} for ${ago(since, now)}: ${printable(`${about}${message}`)}\n${fixLine(hint)}`;
}

function fixLine(hint: string | null): string {
  return hint === null ? '' : `    fix: ${printable(hint)}\n`;
}

const networkColumns: readonly Column<Status['networks'][number]>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'VIEW', cell: ({ view }) => view },
  { title: 'NETWORK', cell: ({ cidr }) => cidr ?? '-' },
  { title: 'BOUND HERE', cell: ({ bound }) => String(bound), align: 'right' },
  { title: 'USED', cell: ({ used }) => String(used ?? '-'), align: 'right' },
  {
    title: 'FREE',
    cell: ({ total, used }) => (total === null || used === null ? '-' : String(total - used)),
    align: 'right',
  },
];

function errorLine({ at, message, error, hint }: Status['errors'][number]): string {
  const what = error === null ? message : `${message}: ${error}`;
  return `  ${new Date(at).toISOString()} ${printable(what)}\n${fixLine(hint)}`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`\n${title}\n`, ...lines];
}
