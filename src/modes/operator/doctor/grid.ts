/** What doctor examines on the grid: the way to each of its hosts, and what the user of this host sees there. */
import type { X509Certificate } from 'node:crypto';
import { addressAt } from '../../../infoblox/address.ts';
import { attributeDefinitions } from '../../../infoblox/attributes.ts';
import { GridError, hasReason } from '../../../infoblox/errors.ts';
import { familyOfSpec } from '../../../infoblox/network/sets.ts';
import type { NetworkSpec } from '../../../infoblox/network/spec.ts';
import { greet, type PeerListeners } from '../../../infoblox/wapi/connection/agent.ts';
import { connectionError } from '../../../infoblox/wapi/connection/connection-error.ts';
import { peerName, publicKeyOf } from '../../../infoblox/wapi/connection/peer-key.ts';
import { type GridInspection, type License, readTypes } from '../../../infoblox/wapi/inspection.ts';
import type { Options } from '../../daemon/config/options.ts';
import { type Trust, trustOf } from '../../daemon/config/trust.ts';
import { type GridAccess, resolveAny } from '../../daemon/grid-access.ts';
import { day } from '../../quantity.ts';
import type { ClockReading } from '../grid.ts';
import { after, type Check, checks, failure, ok, shared, skipped, type Verdict, warning } from './check.ts';

interface GridContext {
  readonly options: Options;
  readonly grid: GridAccess;
  /** The grid by the oldest WAPI version that the driver takes, to learn which others are served. */
  readonly oldest: () => GridAccess;
  /** What the answers of the grid say about clocks, so far. */
  readonly clock: readonly ClockReading[];
  /** What the network configurations ask for. */
  readonly specs: readonly NetworkSpec[];
}

/** Makes the checks; `permissions` is what network configurations build upon. */
export function gridChecks({ options, grid, oldest, clock, specs }: GridContext): Check[] {
  const { gridHosts, labels, wapiVersion } = options;
  const { inspection, session } = grid;
  const versions = shared((signal) => versionsOf(inspection, oldest, signal));
  // Another user could not read the keys that are known.
  const toConnect = trustOf(options.tls) === 'pinned' ? ['user'] : [];
  const served = ['WAPI version'];
  return checks('grid', {
    TLS: after(toConnect, async () => {
      return judgeHosts(await Promise.all(gridHosts.map((host) => judgeHost(host, options))));
    }),
    login: after(['credentials', 'TLS'], async (signal) => {
      await versions(signal);
      return ok(`${loginOf(options)} at ${session.serving ?? gridHosts[0]}`);
    }),
    'WAPI version': after(['login'], async (signal) => judgeVersion(wapiVersion, await versions(signal))),
    permissions: after(served, async (signal) => {
      const allocates = specs.length === 0 || specs.some(({ place }) => place.kind === 'container');
      const takesBlocks = specs.some(({ blockSize }) => blockSize > 0);
      return judgePermissions(await lookAround(inspection, specs, signal), { allocates, takesBlocks });
    }),
    'permissions to write': after(served, () => {
      return skipped('not tried, as doctor writes nothing; an ADD that lacks one fails with 103 and names it');
    }),
    licences: after(served, async (signal) => judgeLicenses(await unlessRefused(inspection.licenses(signal)))),
    'extensible attributes': after(served, async (signal) => {
      const defined = await unlessRefused(Array.fromAsync(inspection.attributes(signal)));
      const written = attributeDefinitions(labels).map(({ name }) => name);
      return judgeAttributes(
        defined?.map(({ name }) => name),
        { written, labels: Object.keys(labels) },
      );
    }),
    clock: after(['login'], () => judgeClock(clock)),
  });
}

/** Connects to a host as the daemon would, and sends nothing. */
async function judgeHost(gridHost: string, { wapiPort, tls, clientCertificate }: Options): Promise<Verdict[]> {
  const host = peerName(gridHost, wapiPort);
  const shown = clientCertificate && { client: () => clientCertificate.read().pair };
  let certificate: X509Certificate | undefined;
  let isKeyNew = false;
  const listeners: PeerListeners = {
    onCertificate: (_, its) => {
      certificate = its;
    },
    onFirstKey: () => {
      isKeyNew = true;
    },
  };
  try {
    await resolveAny({ gridHosts: [gridHost], wapiPort });
    await greet(host, { ...tls, ...shown }, listeners);
  } catch (error) {
    const isJudged = error instanceof GridError;
    const { message, hint } = isJudged ? error : connectionError(error, { host, writes: false, late: false });
    return [failure(message, hint)];
  }
  if (certificate === undefined) return [failure(`the grid at ${host} shows no certificate`, null)];
  const context = { key: publicKeyOf(certificate), isKeyNew, trust: trustOf(tls), now: Date.now() };
  return judgeCertificate(certificate, context).map((verdict) => {
    return { ...verdict, message: `${gridHost}: ${verdict.message}` };
  });
}

/** Makes failures of single grid hosts warnings, as long as another one serves: for that it is there. @param found by host */
export function judgeHosts(found: readonly (readonly Verdict[])[]): Verdict[] {
  const hasFailed = (verdicts: readonly Verdict[]) => verdicts.some(({ level }) => level === 'failure');
  if (found.every(hasFailed)) return found.flat();
  return found.flat().map((verdict) => (verdict.level === 'failure' ? { ...verdict, level: 'warning' } : verdict));
}

type Certificate = Pick<X509Certificate, 'subject' | 'subjectAltName' | 'validFromDate' | 'validToDate'>;

interface CertificateContext {
  /** Its public key, as --ssl-verify=pin remembers it. */
  readonly key: string;
  /** Whether the host was not known by a key. */
  readonly isKeyNew: boolean;
  readonly trust: Trust;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Judges a certificate that the daemon would go on with, under each setting of --ssl-verify. */
export function judgeCertificate(certificate: Certificate, context: CertificateContext): Verdict[] {
  return [judgeTrust(certificate, context), judgeDates(certificate, context.now)];
}

function judgeTrust({ subject, subjectAltName }: Certificate, { key, isKeyNew, trust }: CertificateContext): Verdict {
  const whose = [subject.replaceAll('\n', ', '), subjectAltName].filter(Boolean).join('; ') || 'without a name';
  if (trust === 'verified') return ok(`the certificate is trusted: ${whose}`);
  if (trust === 'unverified') {
    const fix = 'set --ssl-verify to pin, to true, or to a file with the certificate of the grid or its CA';
    const why = 'whoever can intercept the connection learns the password';
    return warning(`the certificate is not checked (--ssl-verify=false), so ${why}: ${whose}`, fix);
  }
  if (!isKeyNew) return ok(`the public key is the known one, ${key}`);
  return warning(`no public key is known yet; the daemon will trust the first: ${key}`, "compare it with the grid's");
}

/** Days before the end of a certificate from which on its renewal is urgent. */
const urgentDays = 14;

function judgeDates({ validFromDate: from, validToDate: to }: Certificate, now: number): Verdict {
  if (from.getTime() > now) {
    return warning(`the certificate is not valid before ${from.toISOString()}`, 'check the clock of this host');
  }
  const until = to.toISOString().slice(0, 10);
  const days = Math.floor((to.getTime() - now) / day);
  if (days >= urgentDays) return ok(`the certificate is valid until ${until}, for ${days} more days`);
  const what = days < 0 ? `has expired on ${until}` : `expires on ${until}, in ${days} days`;
  return warning(`the certificate ${what}`, 'renew it on the grid');
}

/** The versions that are served; `isServed` is false if the configured one is not. */
async function versionsOf(inspection: GridInspection, oldest: () => GridAccess, signal: AbortSignal) {
  try {
    return { isServed: true, served: await inspection.versions(signal) };
  } catch (error) {
    if (!hasReason(error, 'wapi-version')) throw error;
    const ask = oldest().inspection.versions(signal);
    return { isServed: false, served: await ask.catch(() => []) };
  }
}

/** Judges whether the configured WAPI version is served. @param served all that are; empty if the grid does not say */
export function judgeVersion(
  configured: string,
  { isServed, served }: { readonly isServed: boolean; readonly served: readonly string[] },
): Verdict {
  const newest = served.toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true })).at(-1);
  if (isServed) return ok(`${configured}${newest === undefined ? '' : `; the grid serves up to ${newest}`}`);
  const fix = newest === undefined ? 'one that it serves' : `${newest}, the newest that it serves, or an older one`;
  return failure(`the grid does not serve ${configured}`, `set --wapi-version to ${fix}`);
}

function loginOf({ wapiUsername, clientCertificate }: Options): string {
  const user = wapiUsername === '' ? [] : [JSON.stringify(wapiUsername)];
  const certificate = clientCertificate === undefined ? [] : ['client certificate'];
  return `as ${[...user, ...certificate].join(' with ')}`;
}

/** Whether the user sees an object of a type, or the grid's refusal. */
export type Seen = boolean | GridError;

/** Looks for one object of each type that the driver reads. Addresses are not listed but asked for one by one. */
async function lookAround(
  inspection: GridInspection,
  specs: readonly NetworkSpec[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Seen>> {
  const byFamily = new Map(specs.toReversed().map((spec) => [familyOfSpec(spec), spec]));
  const types = readTypes(specs.length === 0 ? [4] : [...byFamily.keys()].sort());
  const looks: [string, Promise<boolean>][] = types.map((type) => [type, inspection.sees(type, signal)]);
  for (const [family, { place, view }] of byFamily) {
    const { cidr } = place.kind === 'subnet' ? place : { cidr: place.containers[0] };
    looks.push([`ipv${family}address`, inspection.seesUse(addressAt(cidr, 1), view, signal)]);
  }
  const seen = looks.map(async ([type, look]) => [type, await orRefusal(look)] as const);
  // What is looked for in a view that is not there says nothing about rights.
  return new Map((await Promise.all(seen)).filter(([, found]) => !hasReason(found, 'missing')));
}

/** What becomes of a read that is refused, by the object type without its family. */
const optional: Readonly<Record<string, string>> = {
  range: 'that a requested address lies in a block of another host is not found',
  address: 'other uses of a requested address are not found before the grid refuses it',
  extensibleattributedef: 'attributes are tried, and left out where the grid refuses them',
};
/** What a host needs that keeps blocks of addresses; without it the grid is asked at each ADD. */
const forBlocks: Readonly<Record<string, string>> = {
  range: 'read, create and delete ranges',
  address: 'read the addresses of its networks',
};

/**
 * Judges what the user may read. The grid leaves out of a list what a user may not see, so an empty one proves nothing; but it
 * always has a network view.
 * @param needs.allocates whether networks are allocated from network containers
 * @param needs.takesBlocks whether this host is to keep blocks of addresses
 */
export function judgePermissions(
  seen: ReadonlyMap<string, Seen>,
  { allocates, takesBlocks }: { readonly allocates: boolean; readonly takesBlocks: boolean },
): Verdict[] {
  const readable = [...seen].filter(([, found]) => !(found instanceof GridError)).map(([type]) => type);
  const refused = [...seen].flatMap(([type, found]) => {
    if (!(found instanceof GridError)) return [];
    const kind = type.replace(/^ipv\d/, '');
    if (kind === 'networkcontainer' && !allocates) return [ok(`cannot read ${type}, and need not`)];
    const right = takesBlocks ? forBlocks[kind] : undefined;
    if (right !== undefined) {
      const fix = `give the user of --wapi-username permission to ${right} (docs/grid.md, Permissions)`;
      return [warning(`cannot read ${type}, so this host gets no blocks: ${found.message}`, fix)];
    }
    const without = optional[kind];
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
 * Judges the licences that the user sees. A grid can have networks under others than that of DHCP (NIOS 9.0 documentation, "Managing
 * Licenses"), a trial licence say, so only one that has run out means something.
 * @param found undefined if the user may not see them
 */
export function judgeLicenses(found: readonly License[] | undefined): Verdict {
  if (found === undefined) return ok('this user may not see them, which is fine');
  const namesOf = (licenses: readonly License[]) => [...new Set(licenses.map(({ type }) => type))].join(', ');
  const ofDhcp = found.filter(({ type }) => type.toLowerCase() === 'dhcp');
  if (ofDhcp.length > 0 && ofDhcp.every(({ status }) => /^(EXPIRED|DELETED)$/.test(status))) {
    const fix = 'renew it: the grid may refuse networks and reservations without it';
    return warning('the DHCP licence of the grid has expired', fix);
  }
  const ending = found.filter(({ status }) => status.startsWith('EXPIRING'));
  if (ending.length > 0) return warning(`${namesOf(ending)} expires soon`, 'renew it on the grid');
  return ok(found.length === 0 ? 'the grid shows none to this user' : namesOf(found));
}

/**
 * Judges which extensible attributes are written.
 * @param defined those that the grid shows; undefined if the user may not see them
 * @param ours.written all that the driver writes where they are defined
 * @param ours.labels those of --labels, which somebody wants
 */
export function judgeAttributes(
  defined: readonly string[] | undefined,
  { written, labels }: { readonly written: readonly string[]; readonly labels: readonly string[] },
): Verdict[] {
  if (defined === undefined) return [ok('this user may not see which are defined: they are tried')];
  if (defined.length === 0) return [ok('the grid shows none to this user: they are tried')];
  const isDefined = (name: string) => defined.includes(name);
  const missing = written.filter((name) => !isDefined(name) && !labels.includes(name));
  const lost = labels.filter((name) => !isDefined(name));
  const what = `--labels names what the grid does not define: ${lost.join(', ')}`;
  return [
    ok(`defined: ${written.filter(isDefined).join(', ') || 'none'}`),
    ...(missing.length === 0 ? [] : [ok(`not defined, and left out: ${missing.join(', ')}`)]),
    ...(lost.length === 0 ? [] : [warning(what, 'define it with ea-defs --create, or take it out of --labels')]),
  ];
}

/** Two clocks may differ by less: the grid's tells whole seconds, and its answer takes time. */
const noticeableMs = 10_000;
/** From here on times of the grid's logs and of this host's cannot be brought together any more. */
const intolerableMs = 300_000;

/** Judges the clock of this host by that of the grid. @param readings what answers have said; the quickest counts */
export function judgeClock(readings: readonly ClockReading[]): Verdict {
  const [best] = readings.toSorted((one, other) => one.received - one.sent - (other.received - other.sent));
  if (best === undefined) return ok('the grid does not say what time it is');
  // The header has no fractions: half a second later on average.
  const ahead = (best.sent + best.received) / 2 - (best.grid + 500);
  const seconds = Math.round(Math.abs(ahead) / 1000);
  if (Math.abs(ahead) < noticeableMs) return ok(`within ${Math.max(seconds, 1)} s of the grid's`);
  const judge = Math.abs(ahead) < intolerableMs ? warning : failure;
  const what = `this host's clock is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} the grid's`;
  return judge(what, 'set both by NTP: timedatectl shows whether this host does');
}

/** Waits for an answer, or the grid's refusal of it to this user. @throws GridError if the grid does not answer as one should */
async function orRefusal<T>(answer: Promise<T>): Promise<T | GridError> {
  try {
    return await answer;
  } catch (error) {
    if (hasReason(error, 'permission', 'rejected', 'missing', 'conflict', 'licence')) return error;
    throw error;
  }
}

/** Waits for an answer; undefined if the grid refuses it. @throws GridError as `orRefusal` */
export async function unlessRefused<T>(answer: Promise<T>): Promise<T | undefined> {
  const given = await orRefusal(answer);
  return given instanceof GridError ? undefined : given;
}
