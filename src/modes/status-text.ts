/** What the command `status` and the page say of a host, in the same words. Texts from outside are as they are. */
import type { LeaseRecord, Status } from './operator-protocol.ts';
import { ago, counted, day } from './quantity.ts';

type Grid = Status['grid'];

/** A column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: 'right';
  /** Never shortened. */
  readonly isWhole?: true;
}

export const networkColumns: readonly Column<Status['networks'][number]>[] = [
  { title: 'NAME', cell: ({ name }) => name },
  { title: 'VIEW', cell: ({ view }) => view },
  { title: 'NETWORK', cell: ({ cidr }) => cidr ?? '-', isWhole: true },
  { title: 'BOUND HERE', cell: ({ bound }) => String(bound), align: 'right' },
  { title: 'USED', cell: ({ used }) => String(used ?? '-'), align: 'right' },
  {
    title: 'FREE',
    cell: ({ total, used }) => (total === null || used === null ? '-' : String(total - used)),
    align: 'right',
  },
];

/** @param now milliseconds since 1970 */
export function leaseColumns(now: number): readonly Column<LeaseRecord>[] {
  return [
    { title: 'ADDRESS', cell: ({ address }) => address ?? '-', isWhole: true },
    { title: 'PHASE', cell: ({ phase, inDoubt }) => (inDoubt ? `${phase}, in doubt` : phase), isWhole: true },
    { title: 'NETWORK', cell: ({ network }) => network },
    { title: 'VIEW', cell: ({ view }) => view },
    { title: 'CONTAINER', cell: ({ containerId }) => containerId },
    { title: 'WORKLOAD', cell: ({ workload, containerId }) => (workload === containerId ? '-' : workload) },
    { title: 'INTERFACE', cell: ({ ifName }) => ifName },
    { title: 'AGE', cell: ({ createdAt }) => (createdAt === null ? '-' : ago(createdAt, now)), align: 'right' },
    { title: 'SANDBOX', cell: ({ sandbox }) => sandbox, isWhole: true },
  ];
}

/** What is so of a host at any time, each by its name. @param now milliseconds since 1970 */
export function hostFacts(status: Status, now: number): readonly (readonly [name: string, text: string])[] {
  const { version, commit, startedAt, grid } = status;
  return [
    ['daemon', `infoblox-cni ${version} (${commit}), running for ${ago(startedAt, now)}`],
    ['host', hostText(status)],
    ['grid', gridText(grid, now)],
    ['session', sessionText(grid, now)],
    ['leases', leasesText(status, now)],
  ];
}

const trustTexts: Readonly<Record<string, string>> = {
  verified: 'certificate verified',
  pinned: 'key pinned',
  refused: 'CERTIFICATE NOT ACCEPTED',
  unverified: 'CERTIFICATE NOT VERIFIED: set --ssl-verify to pin, true or a file',
};

/** What this host is called, and was. */
function hostText({ node, cluster, driver, formerNames }: Status): string {
  const former =
    formerNames.length === 0 ? '' : `; has leases as ${formerNames.join(', ')}: no other host may be called so`;
  return `${node} in ${cluster}, driver ${driver}${former}`;
}

/** Which host of the grid answers, and as whom it is asked. @param now milliseconds since 1970 */
export function gridText(grid: Grid, now: number): string {
  const { hosts, inUse, answeredAt, port, wapiVersion, trust } = grid;
  const answer = answeredAt === null ? 'no answer since the start' : `answered ${ago(answeredAt, now)} ago`;
  const others = hosts.length > 1 ? ` of ${hosts.join(', ')}` : '';
  return `${inUse ?? hosts[0]}${others}, port ${port}: ${answer}; WAPI ${wapiVersion} as ${userText(grid)}; ${trustTexts[trust] ?? trust}`;
}

function userText({ user, clientCertificateEndsAt }: Grid): string {
  if (user !== '') return user;
  return clientCertificateEndsAt === null ? 'nobody (--wapi-username is not set)' : 'whom the client certificate names';
}

/** Whether this host is logged in, and how long the certificates of both sides last. @param now milliseconds since 1970 */
export function sessionText({ isLoggedIn, certificateEndsAt, clientCertificateEndsAt }: Grid, now: number): string {
  const certificates = [
    ['certificate of the grid', certificateEndsAt] as const,
    ['client certificate', clientCertificateEndsAt] as const,
  ].flatMap(([what, end]) => (end === null ? [] : [`; ${what} ${validText(end, now)}`]));
  return `${isLoggedIn ? 'logged in' : 'not logged in'}${certificates.join('')}`;
}

function validText(end: number, now: number): string {
  const date = new Date(end).toISOString().slice(0, 10);
  return end > now
    ? `until ${date}, for ${counted(Math.floor((end - now) / day), 'more day', 'more days')}`
    : `EXPIRED on ${date}`;
}

/** How many leases there are by phase. @param now milliseconds since 1970 */
export function leasesText(
  { leases: { bound, pending, releasing }, oldestRelease }: Pick<Status, 'leases' | 'oldestRelease'>,
  now: number,
): string {
  const oldest = oldestRelease === null ? '' : ` (the oldest for ${ago(oldestRelease, now)})`;
  return `${bound} bound, ${pending} pending, ${releasing} releasing${oldest}`;
}

/** One of the last errors of the log. */
export function errorText({ at, message, error }: Status['errors'][number]): string {
  return `${new Date(at).toISOString()} ${error === null ? message : `${message}: ${error}`}`;
}

/** What is wrong; names what it is about, where the message does not. */
export function conditionText({ subject, message }: Status['conditions'][number]): string {
  return subject === '' || message.includes(subject) ? message : `${subject}: ${message}`;
}
