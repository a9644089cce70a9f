/**
 * Handlers of `audit`, which compares this host's leases and blocks with the grid, and `audit --cluster`, which lists those of all hosts.
 */
import { families } from '../../../infoblox/address.ts';
import { reservedAtIn } from '../../../infoblox/attributes.ts';
import { deadline } from '../../../infoblox/concurrency/clock.ts';
import { undefinedIfUnreadable } from '../../../infoblox/errors.ts';
import type { Reservation } from '../../../infoblox/grid.ts';
import { auditBlocks, auditLeases } from '../../../infoblox/lease/audit.ts';
import type { LeaseDeps } from '../../../infoblox/lease/deps.ts';
import { doubtOf } from '../../../infoblox/lease/doubt.ts';
import type { Lease } from '../../../infoblox/lease/lease.ts';
import { isExactlyOurs } from '../../../infoblox/lease/observe.ts';
import { beginsAs, namedInComment, parseBlockMark, shortNodeName, startOf } from '../../../infoblox/mark.ts';
import type { GridInspection } from '../../../infoblox/wapi/inspection.ts';
import type { ClusterRow } from '../../operator-protocol.ts';
import type { OperatorHandler } from '../rpc/request.ts';

const timeoutMs = 120_000;
/** Leases without a reservation for which the grid is asked who has the address. */
const maxHolders = 50;

/** Makes the handler of `audit`. */
export function auditHandler(deps: LeaseDeps): OperatorHandler<'operator/audit'> {
  const { store, grid, names, clock, moment } = deps;
  const isSettled = (lease: Lease) => {
    const doubt = doubtOf(lease, moment());
    return lease.phase === 'bound' && lease.owedSince === null && doubt.create === null && doubt.delete === null;
  };
  return {
    timeoutMs,
    async run(_, { gone }) {
      const signal = AbortSignal.any([gone, deadline(clock, timeoutMs)]);
      // Leases that change during the listing are skipped.
      const before = new Map(store.where(() => true).map((lease) => [lease.mark, lease]));
      const blocksBefore = new Map(store.blocks().map((block) => [block.mark, block]));
      const shown: Reservation[] = [];
      for (const marks of names.all) for await (const one of grid.list({ marks }, signal)) shown.push(one);
      const ranges = await grid
        .ranges({ marks: { ...names.present, of: 'blocks' } }, signal)
        .catch(undefinedIfUnreadable);
      const bound = [...before.values()].filter((lease) => isSettled(lease) && store.get(lease.mark) === lease);
      const holders = new Map<string, Reservation>();
      const reserved = new Set(shown.map(({ address, view }) => `${view} ${address}`));
      const unreserved = bound.filter(({ address, view }) => !reserved.has(`${view} ${address}`));
      for (const { mark, address, view } of unreserved.slice(0, maxHolders)) {
        const [holder] = await grid.at(address ?? '', view, signal);
        if (holder !== undefined) holders.set(mark, holder);
      }
      const blocks = store.blocks();
      const isKnown = (mark: string) =>
        before.has(mark) ||
        store.get(mark) !== undefined ||
        [...blocksBefore.values(), ...blocks].some((one) => one.mark === mark);
      const stable = blocks.filter((one) => blocksBefore.get(one.mark) === one);
      const findings = [
        ...auditLeases({ bound, shown, holders, isKnown }),
        ...auditBlocks(ranges === undefined ? [] : stable, ranges ?? [], { isKnown }),
      ];
      return { result: { leases: bound.length, findings } };
    },
  };
}

/** Makes the handler of `audit --cluster`. The grid cannot tell which hosts are alive. */
export function clusterAuditHandler(
  { grid, names, clock }: LeaseDeps,
  inspection: GridInspection,
): OperatorHandler<'operator/audit-cluster'> {
  return {
    timeoutMs,
    async run(_, { gone }) {
      const signal = AbortSignal.any([gone, deadline(clock, timeoutMs)]);
      const { cluster, node } = names.present;
      const rows = new Map<string, ClusterRow>();
      const used = new Set<string>();
      const rowAt = (host: string, network: string, view: string) => {
        const key = `${host} ${network} ${view}`;
        const row = rows.get(key) ?? { host, network, view, addresses: 0, altered: 0, blocks: 0, lastReservedAt: null };
        rows.set(key, row);
        return row;
      };
      // List all clusters: another one may use a network that this one created.
      for await (const one of grid.listDescribed({ marks: {}, families }, signal)) {
        used.add(`${one.view} ${one.network?.text}`).add(one.view);
        if (!beginsAs(one.comment, { cluster })) continue;
        const { node, network } = startOf(one.comment);
        const row = rowAt(node, network, one.view);
        row[isExactlyOurs(one) ? 'addresses' : 'altered'] += 1;
        const at = reservedAtIn(one.attributes);
        if (at !== null) row.lastReservedAt = Math.max(row.lastReservedAt ?? 0, at);
      }
      const ranges = await grid.ranges({ marks: { of: 'blocks' }, families }, signal).catch(undefinedIfUnreadable);
      for (const { comment, view, network } of ranges ?? []) {
        used.add(`${view} ${network.text}`).add(view);
        const block = beginsAs(comment, { cluster, of: 'blocks' }) ? parseBlockMark(comment) : undefined;
        if (block !== undefined) rowAt(block.origin.node, block.network, view).blocks += 1;
      }
      const made = await inspection.made(signal);
      const unused = made.flatMap(({ view, network, comment }) => {
        if (used.has(network === null ? view : `${view} ${network}`)) return [];
        return [{ view, network, name: namedInComment(comment) ?? null }];
      });
      const sorted = [...rows.keys()].sort().flatMap((key) => rows.get(key) ?? []);
      return { result: { cluster, node: shortNodeName(node), rows: sorted, unused } };
    },
  };
}
