/** Checks the grid: the connection to each of its hosts, and what this host's user may see there. */
import type { X509Certificate } from 'node:crypto';
import { addressBeside } from '../../../infoblox/address.ts';
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
  /** Opens the grid with the oldest WAPI version that the driver accepts, to learn which versions it serves. */
  readonly oldest: () => GridAccess;
  /** Clock readings from the grid's answers so far. */
  readonly clock: readonly ClockReading[];
  /** Sources of all network configurations. */
  readonly specs: readonly NetworkSpec[];
}

/** Makes the checks of the grid. The checks of network configurations need `permissions`. */
export function gridChecks({ options, grid, oldest, clock, specs }: GridContext): Check[] {
  const { gridHosts, labels, wapiVersion } = options;
  const { inspection, session } = grid;
  const versions = shared((signal) => versionsOf(inspection, oldest, signal));
  // Only root can read the remembered keys.
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

/** Connects to a grid host as the daemon would, without sending a request. */
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

/** Lowers failures of some grid hosts to warnings if another one works: it takes over. @param found by host */
export function judgeHosts(found: readonly (readonly Verdict[])[]): Verdict[] {
  const hasFailed = (verdicts: readonly Verdict[]) => verdicts.some(({ level }) => level === 'failure');
  if (found.every(hasFailed)) return found.flat();
  return found.flat().map((verdict) => (verdict.level === 'failure' ? { ...verdict, level: 'warning' } : verdict));
}

type Certificate = Pick<X509Certificate, 'subject' | 'subjectAltName' | 'validFromDate' | 'validToDate'>;

interface CertificateContext {
  /** Its public key, as --ssl-verify=pin remembers it. */
  readonly key: string;
  /** Whether no key of the host was remembered. */
  readonly isKeyNew: boolean;
  readonly trust: Trust;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Judges a certificate that the daemon accepts, for each setting of --ssl-verify. */
export function judgeCertificate(certificate: Certificate, context: CertificateContext): Verdict[] {
  return [judgeTrust(certificate, context), judgeDates(certificate, context.now)];
}

function judgeTrust({ subject, subjectAltName }: Certificate, { key, isKeyNew, trust }: CertificateContext): Verdict {
  const whose = [subject.replaceAll('\n', ', '), subjectAltName].filter(Boolean).join('; ') || 'without a name';
  if (trust === 'verified') return ok(`the certificate is trusted: ${whose}`);
  if (trust === 'unverified') {
    const fix = 'set --ssl-verify to pin, to true, or to a file with the certificate of the grid or its CA';
    const why = 'an attacker on the network path can read the password';
    return warning(`the certificate is not checked (--ssl-verify=false), so ${why}: ${whose}`, fix);
  }
  if (!isKeyNew) return ok(`the public key is the known one, ${key}`);
  return warning(`no public key is known yet; the daemon will trust the first: ${key}`, "compare it with the grid's");
}

/** Days before a certificate expires when renewal is urgent. */
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

/** Asks for the served WAPI versions; `isServed` is false if the configured one is not served. */
async function versionsOf(inspection: GridInspection, oldest: () => GridAccess, signal: AbortSignal) {
  try {
    return { isServed: true, served: await inspection.versions(signal) };
  } catch (error) {
    if (!hasReason(error, 'wapi-version')) throw error;
    const ask = oldest().inspection.versions(signal);
    return { isServed: false, served: await ask.catch(() => []) };
  }
}

/** Judges whether the grid serves the configured WAPI version. @param served all versions; empty if the grid does not tell */
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

/** Whether the user can see an object of a type, or the grid's refusal. */
export type Seen = boolean | GridError;

/** Looks for one object of each type that the driver reads. Addresses cannot be listed, so it asks for one address. */
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
    looks.push([`ipv${family}address`, inspection.seesUse(addressBeside(cidr.first, 1), view, signal)]);
  }
  const seen = looks.map(async ([type, look]) => [type, await orRefusal(look)] as const);
  // In a missing view, the answer says nothing about permissions.
  return new Map((await Promise.all(seen)).filter(([, found]) => !hasReason(found, 'missing')));
}

/** Effect of a refused read, by object type without the family. */
const optional: Readonly<Record<string, string>> = {
  range: 'that a requested address lies in a block of another host is not found',
  address: 'other uses of a requested address are not found before the grid refuses it',
  extensibleattributedef: 'attributes are tried, and left out where the grid refuses them',
};
/** Permissions for blocks of addresses; without them each ADD asks the grid. */
const forBlocks: Readonly<Record<string, string>> = {
  range: 'read, create and delete ranges',
  address: 'read the addresses of its networks',
};

/**
 * Judges what the user may read. Lists leave out objects that the user may not see, so an empty list proves nothing, except of network
 * views: each grid has one.
 * @param needs.allocates whether networks are allocated from network containers
 * @param needs.takesBlocks whether this host is configured to keep blocks of addresses
 */
export function judgePermissions(
  seen: ReadonlyMap<string, Seen>,
  { allocates, takesBlocks }: { readonly allocates: boolean; readonly takesBlocks: boolean },
): Verdict[] {
  const readable = [...seen].filter(([, found]) => !(found instanceof GridError)).map(([type]) => type);
  const refused = [...seen].flatMap(([type, found]) => {
    if (!(found instanceof GridError)) return [];
    const kind = type.replace(/^ipv\d/, '');
    if (kind === 'networkcontainer' && !allocates) return [ok(`cannot read ${type}, which is not needed`)];
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
 * Judges the licences that the user sees. A grid can have networks without a DHCP licence, for example with a trial licence (NIOS 9.0
 * documentation, "Managing Licenses"), so only an expired licence is reported.
 * @param found undefined if the user may not see them
 */
export function judgeLicenses(found: readonly License[] | undefined): Verdict {
  if (found === undefined) return ok('this user may not see them, and need not');
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
 * Judges which extensible attributes the driver can write.
 * @param defined attributes that the grid shows; undefined if the user may not see them
 * @param ours.written all attributes that the driver writes
 * @param ours.labels the attributes of --labels
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
  const what = `--labels names attributes that the grid does not define: ${lost.join(', ')}`;
  return [
    ok(`defined: ${written.filter(isDefined).join(', ') || 'none'}`),
    ...(missing.length === 0 ? [] : [ok(`not defined, and left out: ${missing.join(', ')}`)]),
    ...(lost.length === 0 ? [] : [warning(what, 'define it with ea-defs --create, or take it out of --labels')]),
  ];
}

/** Smaller differences are not measurable: the grid's time has whole seconds, and its answer takes time. */
const noticeableMs = 10_000;
/** With a larger difference, the logs of the grid and of this host cannot be correlated. */
const intolerableMs = 300_000;

/** Compares the clocks of this host and of the grid. @param readings one per answer, of which the quickest counts */
export function judgeClock(readings: readonly ClockReading[]): Verdict {
  const [best] = readings.toSorted((one, other) => one.received - one.sent - (other.received - other.sent));
  if (best === undefined) return ok('the grid does not report its time');
  // The header has whole seconds: add half a second on average.
  const ahead = (best.sent + best.received) / 2 - (best.grid + 500);
  const seconds = Math.round(Math.abs(ahead) / 1000);
  if (Math.abs(ahead) < noticeableMs) return ok(`within ${Math.max(seconds, 1)} s of the grid's`);
  const judge = Math.abs(ahead) < intolerableMs ? warning : failure;
  const what = `this host's clock is ${seconds} s ${ahead > 0 ? 'ahead of' : 'behind'} the grid's`;
  return judge(what, 'set both by NTP: timedatectl shows whether this host does');
}

/** Waits for an answer; returns a refusal instead of throwing it. @throws GridError for any other error */
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
  const result = await orRefusal(answer);
  return result instanceof GridError ? undefined : result;
}
