/**
 * The contents of the status of a host (facts, lists, tables), for the command `status` and the page. Texts from
 * outside are not escaped here.
 */
import type { BlockRecord, LeaseRecord, Status } from './operator-protocol.ts';
import { ago, counted, day } from './quantity.ts';

type Grid = Status['grid'];
type Condition = Status['conditions'][number];

/** A column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: 'right';
  /** Never shortened. */
  readonly isWhole?: true;
  /** For an ID: the characters that name it. It is shortened down to them if that saves leaving a column out. */
  readonly minWidth?: number;
  /**
   * Its treatment on a narrow terminal. `left out`: dropped, rightmost first, before any column is shortened.
   * `shortened last`: shortened after all others; if it still does not fit, the others are dropped.
   */
  readonly whenNarrow?: 'left out' | 'shortened last';
}

/** Characters of a container ID, with the ellipsis, by which commands find the container: as many as crictl shows. */
export const minIdWidth = 13;

/** An entry of a list: its name, its text, and what to do about it. */
export interface Item {
  readonly what: string;
  readonly text: string;
  readonly fix: string | null;
}

/** Writes each kind of part. */
export interface Writer<Written> {
  facts(facts: readonly (readonly [name: string, text: string])[]): Written;
  list(title: string, items: readonly Item[]): Written;
  table<Row>(title: string, columns: readonly Column<Row>[], rows: readonly Row[]): Written;
}

/**
 * Writes all parts of a status that have contents, without leases.
 * @param now milliseconds since 1970
 */
export function writeStatus<Written>(status: Status, now: number, writer: Writer<Written>): Written[] {
  const { conditions, networks, blocks, errors } = status;
  return [
    writer.facts(hostFacts(status, now)),
    ...(conditions.length === 0 ? [] : [writer.list('Conditions', conditionItems(conditions, now))]),
    ...(networks.length === 0 ? [] : [writer.table('Networks', networkColumns, networks)]),
    ...(blocks.length === 0 ? [] : [writer.table('Blocks', blockColumns(now), blocks)]),
    ...(errors.length === 0 ? [] : [writer.list('Last errors', errors.map(errorItem))]),
  ];
}

/** Returns `well`, or the kinds of the conditions. */
export function headline({ conditions }: Status): string {
  const kinds = new Set(conditions.map(({ kind }) => kind));
  return kinds.size === 0 ? 'well' : `NOT WELL: ${[...kinds].join(', ')}`;
}

const maxOfAKind = 5;

/** Lists the oldest conditions of each kind: a grid that lost many reservations raises one for each container. */
function conditionItems(conditions: readonly Condition[], now: number): Item[] {
  return [...Map.groupBy(conditions, ({ kind }) => kind)].flatMap(([kind, all]) => {
    const items = all.slice(0, maxOfAKind).map((condition) => {
      const { since, hint } = condition;
      return { what: kind, text: `for ${ago(since, now)}: ${conditionText(condition)}`, fix: hint };
    });
    const more = all.length - items.length;
    return more === 0
      ? items
      : [...items, { what: '...', text: `and ${more} more of ${kind}: --json has them all`, fix: null }];
  });
}

/** Formats a condition; adds its subject if the message does not contain it. */
export function conditionText({ subject, message }: Condition): string {
  return subject === '' || message.includes(subject) ? message : `${subject}: ${message}`;
}

function errorItem({ at, message, error, hint }: Status['errors'][number]): Item {
  return { what: new Date(at).toISOString(), text: error === null ? message : `${message}: ${error}`, fix: hint };
}

const networkColumns: readonly Column<Status['networks'][number]>[] = [
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
export function blockColumns(now: number): readonly Column<BlockRecord>[] {
  return [
    { title: 'NETWORK', cell: ({ network }) => network },
    { title: 'VIEW', cell: ({ view }) => view, whenNarrow: 'left out' },
    { title: 'ADDRESSES', cell: spanText, isWhole: true },
    { title: 'STATE', cell: (block) => blockText(block, now), isWhole: true },
    { title: 'HELD', cell: ({ held }) => String(held), align: 'right' },
    { title: 'RESTING', cell: ({ resting }) => String(resting), align: 'right' },
    { title: 'FREE', cell: ({ free }) => String(free), align: 'right' },
    {
      title: 'CONFIRMED',
      cell: ({ confirmedAt }) => (confirmedAt === null ? '-' : `${ago(confirmedAt, now)} ago`),
      align: 'right',
      whenNarrow: 'left out',
    },
  ];
}

/** Formats the addresses of a block, the last IPv6 address without the common prefix: `fd00:18:1::10-1f`. */
function spanText({ first, last }: BlockRecord): string {
  const start = first.slice(0, first.lastIndexOf(':') + 1);
  return `${first}-${start !== '' && last.startsWith(start) ? last.slice(start.length) : last}`;
}

function blockText({ state, host, expiresAt, returnAt }: BlockRecord, now: number): string {
  const of = host === null ? '' : `, of ${host}`;
  const end = expiresAt ?? returnAt;
  return `${state}${of}${end === null ? '' : `, ${ago(now, end)} left`}`;
}

/**
 * Returns the columns of a table of leases.
 * @param now milliseconds since 1970; `leases`: the leases that are shown
 */
export function leaseColumns(now: number, leases: readonly LeaseRecord[]): readonly Column<LeaseRecord>[] {
  const source: Column<LeaseRecord> = { title: 'FROM', cell: ({ inBlock }) => (inBlock ? 'block' : 'grid') };
  return [
    { title: 'ADDRESS', cell: ({ address }) => address ?? '-', isWhole: true },
    { title: 'PHASE', cell: (lease) => phaseText(lease, now), isWhole: true },
    ...(leases.some(({ inBlock }) => inBlock) ? [source] : []),
    { title: 'NETWORK', cell: ({ network }) => network, whenNarrow: 'left out' },
    { title: 'VIEW', cell: ({ view }) => view, whenNarrow: 'left out' },
    { title: 'CONTAINER', cell: ({ containerId }) => containerId, whenNarrow: 'shortened last', minWidth: minIdWidth },
    {
      title: 'WORKLOAD',
      cell: ({ workload, containerId }) => (workload === containerId ? '-' : workload),
      whenNarrow: 'shortened last',
    },
    { title: 'INTERFACE', cell: ({ ifName }) => ifName },
    { title: 'AGE', cell: ({ createdAt }) => (createdAt === null ? '-' : ago(createdAt, now)), align: 'right' },
    { title: 'SANDBOX', cell: ({ sandbox }) => sandbox, isWhole: true },
  ];
}

function phaseText({ phase, inDoubt, isOwed, dueAt }: LeaseRecord, now: number): string {
  const left = phase === 'resting' && dueAt !== null ? `, ${ago(now, dueAt)} left` : '';
  return `${phase}${left}${isOwed ? ', owed' : ''}${inDoubt ? ', in doubt' : ''}`;
}

/**
 * Lists the facts of a host by name.
 * @param now milliseconds since 1970
 */
function hostFacts(status: Status, now: number): readonly (readonly [name: string, text: string])[] {
  const { version, commit, startedAt, grid } = status;
  return [
    ['daemon', `infoblox-cni ${version} (${commit}), running for ${ago(startedAt, now)}`],
    ['host', hostText(status)],
    ['grid', gridText(grid, now)],
    ['session', sessionText(grid, now)],
    ['leases', leasesText(status, now)],
    ...(status.blocksReleased ? [['blocks', releasedBlocksText] as const] : []),
  ];
}

const releasedBlocksText = 'given back when they are empty, until release --blocks --undo';

const trustTexts: Readonly<Record<string, string>> = {
  verified: 'certificate verified',
  pinned: 'key pinned',
  refused: 'CERTIFICATE NOT ACCEPTED',
  unverified: 'CERTIFICATE NOT VERIFIED: set --ssl-verify to pin, true or a file',
};

/** Formats the host's names, current and former. */
function hostText({ node, cluster, driver, formerNames }: Status): string {
  const former =
    formerNames.length === 0 ? '' : `; has leases as ${formerNames.join(', ')}: no other host may use these names`;
  return `${node} in ${cluster}, driver ${driver}${former}`;
}

/**
 * Formats which grid host answers, and the user that this host is there.
 * @param now milliseconds since 1970
 */
export function gridText(grid: Grid, now: number): string {
  const { hosts, inUse, answeredAt, port, wapiVersion, trust } = grid;
  const answer = answeredAt === null ? 'no answer since the start' : `answered ${ago(answeredAt, now)} ago`;
  const others = hosts.length > 1 ? ` of ${hosts.join(', ')}` : '';
  return `${inUse ?? hosts[0]}${others}, port ${port}: ${answer}; WAPI ${wapiVersion} as ${userText(grid)}; ${trustTexts[trust] ?? trust}`;
}

function userText({ user, clientCertificateEndsAt }: Grid): string {
  if (user !== '') return user;
  return clientCertificateEndsAt === null
    ? 'no user (--wapi-username is not set)'
    : 'the user of the client certificate';
}

/**
 * Formats whether this host is logged in, and when the certificates of both sides expire.
 * @param now milliseconds since 1970
 */
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

/**
 * Formats the number of leases by phase.
 * @param now milliseconds since 1970
 */
export function leasesText(
  { leases: { bound, owed, pending, resting, releasing }, oldestRelease }: Pick<Status, 'leases' | 'oldestRelease'>,
  now: number,
): string {
  const oldest = oldestRelease === null ? '' : ` (the oldest for ${ago(oldestRelease, now)})`;
  const rest = resting === 0 ? '' : `, ${resting} resting`;
  const debt = owed === 0 ? '' : ` (${owed} owed to the grid)`;
  return `${bound} bound${debt}, ${pending} pending${rest}, ${releasing} releasing${oldest}`;
}
