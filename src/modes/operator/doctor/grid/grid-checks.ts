/** What doctor examines on the grid: here what one user sees of it - login, WAPI version, licences, permissions, attributes, clock -, beside it its hosts. */
import { addressAt } from '../../../../infoblox/address.ts';
import { attributeDefinitions } from '../../../../infoblox/attributes.ts';
import { GridError, hasReason } from '../../../../infoblox/errors.ts';
import type { NetworkSpec } from '../../../../infoblox/network/spec.ts';
import { listAttributeDefinitions } from '../../../../infoblox/wapi/attributed-requests.ts';
import type { GridInspection } from '../../../../infoblox/wapi/inspection.ts';
import type { Options } from '../../../daemon/config/options.ts';
import type { GridAccess } from '../../../daemon/grid-access.ts';
import { type Check, shared } from '../check.ts';
import { ok, skipped, type Verdict } from '../finding.ts';
import {
  judgeAttributes,
  judgeClock,
  judgeLicenses,
  judgePermissions,
  judgeVersion,
  type Seen,
} from './grid-judgements.ts';
import type { ClockReading } from './looking-transport.ts';
import { orRefusal } from './refusal.ts';

const group = 'grid';

interface GridContext {
  readonly options: Options;
  readonly grid: GridAccess;
  /** The grid by the oldest WAPI version that the driver takes, to learn which others are served. */
  readonly oldest: () => GridAccess;
  /** What the answers of the grid say about clocks, so far. */
  readonly clock: readonly ClockReading[];
  /** What the network configurations ask for. */
  readonly specs: readonly NetworkSpec[];
  /** What has to be well before a login is worth trying. */
  readonly needs: NonNullable<Check['needs']>;
}

/** Makes the checks of the grid; `permissions` is what network configurations build upon. */
export function gridChecks(context: GridContext): { readonly all: Check[]; readonly permissions: Check } {
  const { options, grid, oldest, clock, specs, needs } = context;
  const { inspection } = grid;
  const versions = shared((signal) => versionsOf(inspection, oldest, signal));
  const login: Check = {
    ...{ group, title: 'login', needs },
    run: async (signal) => {
      await versions(signal);
      return [ok(`${loginOf(options)} at ${grid.session.serving ?? options.gridHosts[0]}`)];
    },
  };
  const version: Check = {
    ...{ group, title: 'WAPI version', needs: [login] },
    run: async (signal) => judgeVersion(options.wapiVersion, await versions(signal)),
  };
  const permissions: Check = {
    ...{ group, title: 'permissions', needs: [version] },
    run: async (signal) => {
      const allocates = specs.length === 0 || specs.some(({ place }) => place.kind === 'container');
      return judgePermissions(await lookAround(inspection, specs, signal), { allocates });
    },
  };
  const writing: Check = {
    ...{ group, title: 'permissions to write', needs: [version] },
    run: () => [skipped('not tried, as doctor writes nothing; an ADD that lacks one fails with 103 and names it')],
  };
  const licenses: Check = {
    ...{ group, title: 'licences', needs: [version] },
    run: async (signal) => judgeLicenses(await orRefusal(inspection.licenses(signal))),
  };
  const attributes: Check = {
    ...{ group, title: 'extensible attributes', needs: [version] },
    run: async (signal) => attributesOf(grid, options, signal),
  };
  const clocks: Check = { group, title: 'clock', needs: [login], run: () => judgeClock(clock) };
  return { all: [login, version, permissions, writing, licenses, attributes, clocks], permissions };
}

/** The versions that are served; `isServed` is false if the configured one is not. */
async function versionsOf(inspection: GridInspection, oldest: () => GridAccess, signal: AbortSignal) {
  try {
    return { isServed: true, served: await inspection.versions(signal) };
  } catch (error) {
    if (!hasReason(error, 'wapi-version')) throw error;
    const { inspection: ofOldest } = oldest();
    const served = await ofOldest.versions(signal).catch(() => []);
    return { isServed: false, served };
  }
}

function loginOf({ wapiUsername, clientCertificate }: Options): string {
  const user = wapiUsername === '' ? [] : [JSON.stringify(wapiUsername)];
  const certificate = clientCertificate === undefined ? [] : ['client certificate'];
  return `as ${[...user, ...certificate].join(' with ')}`;
}

/** Looks for one object of each type that the driver reads. Addresses are not listed but asked for one by one. */
async function lookAround(
  inspection: GridInspection,
  specs: readonly NetworkSpec[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Seen>> {
  const comment = { _return_fields: 'comment' };
  const address = specs.map(addressQuery).slice(0, 1);
  const looks = [
    ...['networkview', 'network', 'networkcontainer', 'fixedaddress', 'extensibleattributedef'].map(
      (type) => [type, comment] as const,
    ),
    ...address.map((query) => ['ipv4address', query] as const),
  ];
  const seen = looks.map(async ([type, query]) => {
    return [type, await orRefusal(inspection.sees(type, query, signal))] as const;
  });
  // What is looked for in a view that is not there says nothing about rights.
  return new Map((await Promise.all(seen)).filter(([, found]) => !hasReason(found, 'missing')));
}

function addressQuery({ view, place }: NetworkSpec): Record<string, string> {
  const cidr = place.kind === 'subnet' ? place.cidr : place.containers[0];
  return { ip_address: addressAt(cidr, 1), network_view: view, _return_fields: 'status' };
}

async function attributesOf({ session }: GridAccess, { labels }: Options, signal: AbortSignal): Promise<Verdict[]> {
  const defined = await orRefusal(Array.fromAsync(listAttributeDefinitions(session, signal)));
  const names = defined instanceof GridError ? defined : defined.map(({ name }) => name);
  const written = attributeDefinitions(labels).map(({ name }) => name);
  return judgeAttributes(names, { written, labels: Object.keys(labels) });
}
