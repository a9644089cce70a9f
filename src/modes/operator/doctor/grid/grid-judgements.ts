/** What the grid's answers mean for the driver. Pure. */
import { GridError } from '../../../../infoblox/errors.ts';
import type { License } from '../../../../infoblox/wapi/inspection.ts';
import { failure, ok, type Verdict, warning } from '../finding.ts';
import type { ClockReading } from './looking-transport.ts';

/** Judges whether the configured WAPI version is served. @param served all that are; empty if the grid does not say */
export function judgeVersion(
  configured: string,
  { isServed, served }: { readonly isServed: boolean; readonly served: readonly string[] },
): Verdict[] {
  const newest = served.toSorted(byVersion).at(-1);
  if (isServed) return [ok(`${configured}${newest === undefined ? '' : `; the grid serves up to ${newest}`}`)];
  const fix = newest === undefined ? 'one that it serves' : `${newest}, the newest that it serves, or an older one`;
  return [failure(`the grid does not serve ${configured}`, `set --wapi-version to ${fix}`)];
}

function byVersion(one: string, other: string): number {
  return one.localeCompare(other, 'en', { numeric: true });
}

/** Licences under which a grid has networks and fixed addresses (NIOS 9.0 documentation, "Managing Licenses"). */
const dhcp = 'dhcp';
const spent = ['EXPIRED', 'DELETED'];

/**
 * Judges the licences that the user sees. A grid can have networks under others than that of DHCP, a trial licence say, so
 * only one that has run out means something.
 */
export function judgeLicenses(found: readonly License[] | GridError): Verdict[] {
  if (found instanceof GridError) return [ok('this user may not see them, which is fine')];
  const ofDhcp = found.filter(({ type }) => type.toLowerCase() === dhcp);
  const valid = ofDhcp.filter(({ expiration_status }) => !spent.includes(expiration_status));
  if (ofDhcp.length > 0 && valid.length === 0) {
    const fix = 'renew it: the grid may refuse networks and reservations without it';
    return [warning('the DHCP licence of the grid has expired', fix)];
  }
  const ending = found.filter(({ expiration_status }) => expiration_status.startsWith('EXPIRING'));
  if (ending.length > 0) return [warning(`${namesOf(ending)} expires soon`, 'renew it on the grid')];
  return [ok(found.length === 0 ? 'the grid shows none to this user' : namesOf(found))];
}

function namesOf(licenses: readonly License[]): string {
  return [...new Set(licenses.map(({ type }) => type))].join(', ');
}

/** Whether the user sees an object of a type, or the grid's refusal. */
export type Seen = boolean | GridError;

/** What becomes of a read that is refused. */
const optional: Readonly<Record<string, string>> = {
  ipv4address: 'other uses of a requested address are not found before the grid refuses it',
  extensibleattributedef: 'attributes are tried, and left out where the grid refuses them',
};

/**
 * Judges what the user may read. The grid leaves out of a list what a user may not see, so an empty one proves nothing; but it
 * always has a network view.
 * @param needs.allocates whether networks are allocated from network containers
 */
export function judgePermissions(
  seen: ReadonlyMap<string, Seen>,
  { allocates }: { readonly allocates: boolean },
): Verdict[] {
  const readable = [...seen].filter(([, found]) => !(found instanceof GridError)).map(([type]) => type);
  const refused = [...seen].flatMap(([type, found]) => {
    if (!(found instanceof GridError)) return [];
    if (type === 'networkcontainer' && !allocates) return [ok(`cannot read ${type}, and need not`)];
    const without = optional[type];
    if (without !== undefined) return [ok(`cannot read ${type}, which is optional: ${without}`)];
    const fix = `give the user of --wapi-username permission to read ${type} (docs/grid.md, Permissions)`;
    return [failure(`cannot read ${type}: ${found.message}`, fix)];
  });
  if (seen.get('networkview') === false) {
    const what = 'the grid shows no network view to this user, though every grid has one';
    return [failure(what, 'give the user of --wapi-username permission to read network views'), ...refused];
  }
  return [...(readable.length === 0 ? [] : [ok(`may read ${readable.join(', ')}`)]), ...refused];
}

/**
 * Judges which extensible attributes are written.
 * @param defined those that the grid shows
 * @param ours.written all that the driver writes where they are defined
 * @param ours.labels those of --labels, which somebody wants
 */
export function judgeAttributes(
  defined: readonly string[] | GridError,
  { written, labels }: { readonly written: readonly string[]; readonly labels: readonly string[] },
): Verdict[] {
  if (defined instanceof GridError) return [ok('this user may not see which are defined: they are tried')];
  if (defined.length === 0) return [ok('the grid shows none to this user: they are tried')];
  const lost = labels.filter((name) => !defined.includes(name));
  const known = written.filter((name) => defined.includes(name));
  const missing = written.filter((name) => !defined.includes(name) && !lost.includes(name));
  const verdicts = [
    ok(`defined: ${known.join(', ') || 'none'}`),
    ...(missing.length === 0 ? [] : [ok(`not defined, and left out: ${missing.join(', ')}`)]),
  ];
  if (lost.length === 0) return verdicts;
  const what = `--labels names what the grid does not define: ${lost.join(', ')}`;
  return [...verdicts, warning(what, 'define it with ea-defs --create, or take it out of --labels')];
}

/** Milliseconds that two clocks may differ: the grid's tells whole seconds, and its answer takes time. */
const noticeable = 10_000;
/** Milliseconds from which on times of the grid's logs and of this host's cannot be brought together any more. */
const intolerable = 300_000;

/** Judges the clock of this host by that of the grid. @param readings what answers have said; the quickest counts */
export function judgeClock(readings: readonly ClockReading[]): Verdict[] {
  const [best] = readings.toSorted((one, other) => one.received - one.sent - (other.received - other.sent));
  if (best === undefined) return [ok('the grid does not say what time it is')];
  // The header has no fractions: half a second later on average.
  const ahead = (best.sent + best.received) / 2 - (best.grid + 500);
  const seconds = Math.round(Math.abs(ahead) / 1000);
  if (Math.abs(ahead) < noticeable) return [ok(`within ${Math.max(seconds, 1)} s of the grid's`)];
  const what = `this host's clock is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} the grid's`;
  const fix = 'set both by NTP: timedatectl shows whether this host does';
  return [Math.abs(ahead) < intolerable ? warning(what, fix) : failure(what, fix)];
}
