/** `status`: is this host well, on one screen. */
import { printable } from '../../daemon/log/printable.ts';
import type { Status } from '../../operator-protocol.ts';
import { daemonPlace, defineCommand, json } from '../command.ts';
import { exitStatus } from '../command-error.ts';
import { askDaemon } from '../daemon-connection.ts';
import { age } from '../output/duration.ts';
import { type Column, table } from '../output/table.ts';
import { writeJson } from '../output/write-json.ts';

export const status = defineCommand({
  examples: [
    ['status', 'One screen: what the daemon knows, and what is wrong'],
    ['status --json', 'The same for a program'],
  ],
  groups: { Output: json, Daemon: daemonPlace },
  flags: { ...json, ...daemonPlace },
  async run({ flags, socket }) {
    const found = await askDaemon({ socket, method: 'operator/status', params: {} });
    if (flags.json) writeJson(found);
    else process.stdout.write(screen(found));
    return found.conditions.length === 0 ? exitStatus.ok : exitStatus.failed;
  },
});

/** Makes the screen for people; texts from outside are made printable. */
export function screen(status: Status): string {
  const { version, commit, startedAt, node, cluster, driver, conditions } = status;
  const headline = conditions.length === 0 ? 'well' : `NOT WELL: ${conditions.map(({ kind }) => kind).join(', ')}`;
  return [
    `${headline}\n\n`,
    `daemon   infoblox-cni ${version} (${commit}), running for ${age(startedAt)}\n`,
    `host     ${node} in ${cluster}, driver ${driver}\n`,
    `grid     ${gridLine(status.grid)}\n`,
    `leases   ${leasesLine(status)}\n`,
    ...section('Conditions', conditions.map(conditionLines)),
    ...section('Networks', status.networks.length === 0 ? [] : [table(networkColumns, status.networks)]),
    ...section('Last errors', status.errors.map(errorLine)),
  ].join('');
}

const trustTexts: Readonly<Record<string, string>> = {
  verified: 'certificate verified',
  pinned: 'key pinned',
  unverified: 'CERTIFICATE NOT VERIFIED: set --ssl-verify to pin, true or a file',
};

function gridLine({ hosts, inUse, answeredAt, port, wapiVersion, user, trust }: Status['grid']): string {
  const answer = answeredAt === null ? 'no answer since the start' : `answered ${age(answeredAt)} ago`;
  const others = hosts.length > 1 ? ` of ${hosts.join(', ')}` : '';
  const who = `WAPI ${wapiVersion} as ${user === '' ? 'nobody (--wapi-username is not set)' : user}`;
  return printable(`${inUse ?? hosts[0]}${others}, port ${port}: ${answer}; ${who}; ${trustTexts[trust] ?? trust}`);
}

function leasesLine({ leases: { bound, pending, releasing }, oldestRelease }: Status): string {
  const oldest = oldestRelease === null ? '' : ` (the oldest for ${age(oldestRelease)})`;
  return `${bound} bound, ${pending} pending, ${releasing} releasing${oldest}`;
}

function conditionLines({ kind, subject, message, hint, since }: Status['conditions'][number]): string {
  const about = subject === '' || message.includes(subject) ? '' : `${subject}: `;
  const fix = hint === null ? '' : `    fix: ${printable(hint)}\n`;
  return `  ${kind} for ${age(since)}: ${printable(`${about}${message}`)}\n${fix}`;
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
  const texts = [message, error, hint].filter((text) => text !== null);
  return `  ${new Date(at).toISOString()} ${printable(texts.join(': '))}\n`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`\n${title}\n`, ...lines];
}
