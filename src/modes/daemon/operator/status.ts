/** Handler of `status`, and the page for people at the address of the metrics. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Cidr, compareAddresses, isWithin } from '../../../infoblox/address.ts';
import { intervalOf } from '../../../infoblox/lease/block/block.ts';
import { statesOf } from '../../../infoblox/lease/block/states.ts';
import type { LeaseDeps } from '../../../infoblox/lease/deps.ts';
import type { FormerNames } from '../../../infoblox/lease/former-names.ts';
import { hostPrefix, parseBlockMark, shortNetworkName } from '../../../infoblox/mark.ts';
import { commit, version } from '../../about.ts';
import type { BlockRecord, Status } from '../../operator-protocol.ts';
import { renderPage } from '../../page.ts';
import { trustOf } from '../config/trust.ts';
import type { Parts } from '../daemon.ts';
import type { Page } from '../metrics/listener.ts';
import type { OperatorHandler } from '../rpc/request.ts';
import { findLeases } from './leases.ts';

const maxUsageWaitMs = 300;

type NetworkStatus = Status['networks'][number];

/** Makes the handler of `status`. */
export function operatorStatusHandler(parts: Parts): OperatorHandler<'operator/status'> {
  return { timeoutMs: 5_000, run: async () => ({ result: await statusOf(parts) }) };
}

/** Makes the status of this host. Waits briefly for the grid if the utilisation of networks is unknown. */
async function statusOf(parts: Parts): Promise<Status> {
  const { options, core, store, startedAt, recentErrors } = parts;
  const { leases } = core;
  await Promise.race([core.usage.refresh().catch(() => undefined), delay(maxUsageWaitMs, undefined, { ref: false })]);
  return {
    version,
    commit,
    startedAt,
    cluster: options.clusterName,
    node: options.nodeName,
    formerNames: formerNamesOf(leases.names),
    driver: options.driverName,
    stateDir: options.stateDir,
    grid: gridOf(parts),
    conditions: leases.conditions.all().map(({ kind, subject, error, since }) => {
      return { kind, subject, message: error.message, hint: error.hint ?? null, since };
    }),
    networks: networksOf(parts),
    blocks: blockRecords(leases),
    blocksReleased: leases.blocks.areReleased,
    leases: {
      pending: store.count('pending'),
      bound: store.count('bound'),
      owed: store.where(({ phase, owedSince }) => phase === 'bound' && owedSince !== null).length,
      resting: store.count('resting'),
      releasing: store.count('releasing'),
    },
    oldestRelease: store.oldestRelease() ?? null,
    errors: [...recentErrors()],
  };
}

function formerNamesOf({ present, all }: FormerNames): string[] {
  const [, ...former] = all;
  return former.map(({ cluster, node }) => (cluster === present.cluster ? node : `${node} in ${cluster}`));
}

function gridOf({ options, access, core }: Parts): Status['grid'] {
  const { session, certificates } = access;
  const { sinceAnswerMs } = access.gridState;
  const host = session.serving ?? options.gridHosts[0] ?? '';
  const certificate = certificates.get(host);
  const isUntrusted = core.leases.conditions.find('grid-unavailable')?.error.reason === 'untrusted';
  return {
    hosts: [...options.gridHosts],
    inUse: session.serving ?? null,
    answeredAt: Number.isFinite(sinceAnswerMs) ? Date.now() - sinceAnswerMs : null,
    port: options.wapiPort,
    wapiVersion: options.wapiVersion,
    user: options.wapiUsername,
    trust: isUntrusted ? 'refused' : trustOf(options.tls),
    isLoggedIn: session.isLoggedIn(host),
    certificateEndsAt: certificate === undefined ? null : Date.parse(certificate.validTo),
    clientCertificateEndsAt: options.clientCertificate?.read().pair.expiresAt ?? null,
  };
}

/** Lists networks by name, view and place: those of leases, and those of ADDs since the start. */
function networksOf({ store, core: { leases, usage } }: Parts): Status['networks'] {
  const found: NetworkStatus[] = [];
  const at = (name: string, view: string, cidr: string | null) => {
    const known = found.find((one) => one.name === name && one.view === view && one.cidr === cidr);
    if (known !== undefined) return known;
    const network = { name, view, cidr, bound: 0, total: null, used: null };
    found.push(network);
    return network;
  };
  const places = leases.networks.all().map(({ name, network }) => ({ name: shortNetworkName(name), ...network }));
  for (const { name, view, cidr } of places) at(name, view, cidr.text);
  for (const { network, view, address } of store.where(({ phase }) => phase === 'bound')) {
    const isIn = (one: { readonly cidr: Cidr; readonly view: string }) =>
      one.view === view && isWithin(address ?? '', one.cidr);
    // Unknown after a restart, until an ADD asks for the network.
    const place = places.find((one) => one.name === network && isIn(one)) ?? usage.all.find(isIn);
    at(network, view, place?.cidr.text ?? null).bound += 1;
  }
  const withUsage = found.map((network) => {
    const known = usage.all.find(({ cidr, view }) => cidr.text === network.cidr && view === network.view);
    if (known?.used === undefined) return network;
    // The grid counts only now and then, in thousandths.
    const used = Math.min(Math.max(known.used, network.bound), known.total);
    return { ...network, total: known.total, used };
  });
  const placeOf = ({ name, cidr }: NetworkStatus) => `${name} ${cidr ?? ''}`;
  return withUsage.sort((one, other) => placeOf(one).localeCompare(placeOf(other)));
}

type BlockDeps = Pick<LeaseDeps, 'blocks' | 'store' | 'conditions' | 'names' | 'clock'>;

/** Makes the records of all blocks, sorted by network and first address. */
export function blockRecords(deps: BlockDeps): BlockRecord[] {
  const { names, clock } = deps;
  const own = names.all.map(hostPrefix);
  const records = statesOf(deps).map(({ block, ...state }): BlockRecord => {
    const { mark, network, view, cidr, waitMs } = block;
    const origin = parseBlockMark(mark)?.origin;
    const host = origin === undefined || own.includes(hostPrefix(origin)) ? null : origin.node;
    const returnAt = waitMs === 0 ? null : clock.wall() + waitMs;
    return { mark, network, view, cidr, ...intervalOf(block), host, ...state, returnAt };
  });
  return records.sort(
    (one, other) => one.network.localeCompare(other.network) || compareAddresses(one.first, other.first),
  );
}

/** Makes the page for people, as of now. */
export async function hostPage(parts: Parts): Promise<Page> {
  const leases = await findLeases(parts.core.leases, {});
  return {
    type: 'text/html; charset=utf-8',
    text: renderPage({ status: await statusOf(parts), leases, now: Date.now() }),
  };
}
