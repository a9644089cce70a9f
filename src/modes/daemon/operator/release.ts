/** Handlers of `release` and `gc`, which end leases of this host as a DEL does, and of `gc --host`, which ends those of a lost host. */
import { CniCode, CniError } from '../../../cni/errors.ts';
import { deadline, every } from '../../../infoblox/concurrency/clock.ts';
import { deletedError } from '../../../infoblox/lease/address-errors.ts';
import type { BlockIdentity } from '../../../infoblox/lease/block/block.ts';
import type { BlockKeeper } from '../../../infoblox/lease/block/keeper.ts';
import { type LeaseDeps, maxChangesAtOnce } from '../../../infoblox/lease/deps.ts';
import { endLease, type Reason, wouldEnd } from '../../../infoblox/lease/endings.ts';
import type { FormerNames } from '../../../infoblox/lease/former-names.ts';
import { listOfHost, releaseOfHost } from '../../../infoblox/lease/gc.ts';
import { recheck } from '../../../infoblox/lease/lease.ts';
import { apply } from '../../../infoblox/lease/store/lease-store.ts';
import type { Fields } from '../../../infoblox/log.ts';
import { attachmentKey, hostPrefix, type Origin, parseMark } from '../../../infoblox/mark.ts';
import type { LeaseRecord, OperatorResult } from '../../operator-protocol.ts';
import type { OperatorHandler } from '../rpc/request.ts';
import { findLeases, leaseRecord, meant } from './leases.ts';

const timeoutMs = 10_000;
/** For a list: a search of many pages. */
const listTimeoutMs = 60_000;
/** For one page of releases, on a grid that takes seconds for each request. */
const pageTimeoutMs = 600_000;

type Released = OperatorResult<'operator/release'>;

/** Makes the handler of `release`: all leases of a container or at an address, whether or not it is proven dead. */
export function releaseHandler(deps: LeaseDeps): OperatorHandler<'operator/release'> {
  return {
    timeoutMs,
    changes: true,
    async run({ evenIfAlive, ...filter }) {
      const leases = await meant(deps, filter);
      const isAmbiguous = new Set(leases.map(({ containerId }) => containerId)).size > 1;
      const result: Released = { leases: [], kept: [], ambiguous: isAmbiguous ? leases : [] };
      if (isAmbiguous) return { result };
      for (const [key, [first]] of Map.groupBy(leases, ({ mark }) => attachmentKey(mark))) {
        if (first === undefined) continue;
        for (const { lease, ended } of endTogether(deps, first, { cause: 'release', evenIfAlive })) {
          if (ended.answer === 'keep') {
            result.kept.push({ lease, why: ended.because });
            // The operator may have removed the cause of the failed release.
            if (ended.lease?.phase === 'releasing')
              apply(deps.store, lease.mark, (one) => recheck(one, deps.moment().now));
          } else {
            deps.adds.abort(key, deletedError());
            result.leases.push(ended.lease === undefined ? lease : leaseRecord(ended.lease, deps));
          }
        }
      }
      await deps.store.durable();
      return { result, fields: namesOf(result) };
    },
  };
}

/** Makes the handler of `gc`: ends leases whose sandbox is proven gone, without the reaper's grace period. */
export function gcByHandHandler(deps: LeaseDeps): OperatorHandler<'operator/gc'> {
  return {
    timeoutMs,
    changes: true,
    async run({ dryRun }) {
      const result: Released = { leases: [], kept: [], ambiguous: [] };
      const settle = every(maxChangesAtOnce, () => deps.store.durable());
      const found = await findLeases(deps, { phase: 'bound' });
      const gone = found.filter(({ sandbox }) => sandbox === 'gone');
      for (const [first] of Map.groupBy(gone, ({ mark }) => attachmentKey(mark)).values()) {
        if (first === undefined) continue;
        for (const { lease, ended } of endTogether(deps, first, { cause: 'gc' }, dryRun ? wouldEnd : endLease)) {
          if (ended.answer !== 'release') continue;
          result.leases.push(dryRun || ended.lease === undefined ? lease : leaseRecord(ended.lease, deps));
        }
        await settle();
      }
      await deps.store.durable();
      return { result, fields: dryRun ? { wouldRelease: result.leases.length } : namesOf(result) };
    },
  };
}

/** Ends all leases of an attachment in one turn. @returns each lease before, and the result */
function endTogether(deps: LeaseDeps, { mark }: LeaseRecord, reason: Reason, end: typeof endLease = endLease) {
  const leases = deps.store.ofAttachment(mark);
  return leases.map((one) => ({ lease: leaseRecord(one, deps), ended: end(deps, one, reason) }));
}

function namesOf({ leases }: Released): Fields {
  return { released: leases.length, addresses: leases.map(({ address }) => address).join(', ') };
}

/** Makes the handler that lists a host's reservations and blocks. */
export function hostReservationsHandler(
  deps: LeaseDeps,
  keeper: BlockKeeper,
): OperatorHandler<'operator/host-reservations'> {
  return {
    timeoutMs: listTimeoutMs,
    async run({ host }, { gone }) {
      const origin = otherHost(deps.names, host);
      const signal = AbortSignal.any([gone, deadline(deps.clock, listTimeoutMs)]);
      const found = await listOfHost(deps, origin, signal);
      const blocks = (await keeper.blocksOf(origin, signal)).map(shownBlock);
      return { result: { cluster: origin.cluster, ...found, blocks } };
    },
  };
}

/** Makes the handler that releases some of a host's reservations. */
export function releaseHostHandler(deps: LeaseDeps): OperatorHandler<'operator/release-host'> {
  return {
    timeoutMs: pageTimeoutMs,
    changes: true,
    async run({ host, reservations }, { gone, stopping, tell }) {
      const prefix = hostPrefix(otherHost(deps.names, host));
      const stray = reservations.find(({ mark }) => parseMark(mark) === undefined || !mark.startsWith(prefix));
      if (stray !== undefined)
        throw new CniError(CniCode.invalidEnvironment, `"${stray.mark}" is not a mark of ${host}`);
      const total = reservations.length;
      const onDone = (done: number) => tell({ done, total });
      const { released, left, failure } = await releaseOfHost(deps, reservations, { gone, stopping, onDone });
      const stopped = failure === undefined ? null : { message: failure.message, hint: failure.hint ?? null };
      const fields = { host, released: released.length, left: left.length, reason: stopped?.message };
      return { result: { released, left, stopped }, fields };
    },
  };
}

/** Makes the handler that deletes a host's blocks once the host can no longer assign addresses from them. */
export function releaseHostBlocksHandler(
  deps: LeaseDeps,
  keeper: BlockKeeper,
): OperatorHandler<'operator/release-host-blocks'> {
  return {
    timeoutMs: listTimeoutMs,
    changes: true,
    async run({ host, isOff }, { gone }) {
      const signal = AbortSignal.any([gone, deadline(deps.clock, listTimeoutMs)]);
      const { blocks, waitMs } = await keeper.noteGone(otherHost(deps.names, host), { isOff }, signal);
      return { result: { blocks: blocks.map(shownBlock), waitMs }, fields: { host, blocks: blocks.length } };
    },
  };
}

/** Makes the handler of `release --blocks`: releases each block of this host when it is empty. */
export function releaseBlocksHandler(
  { blocks, store }: LeaseDeps,
  keeper: BlockKeeper,
): OperatorHandler<'operator/release-blocks'> {
  return {
    timeoutMs,
    changes: true,
    async run({ undo }) {
      blocks.release(!undo);
      await store.durable();
      void keeper.lookAtAll();
      return { result: { blocks: store.blocks().map(shownBlock) }, fields: { undo } };
    },
  };
}

function shownBlock({ first, size, view, network }: BlockIdentity) {
  return { first, size, view, network };
}

/** Returns the name of another host in marks. @throws CniError for this host itself */
function otherHost({ present, all }: FormerNames, node: string): Origin {
  const host = { cluster: present.cluster, node };
  const own = all.find((origin) => hostPrefix(origin) === hostPrefix(host));
  if (own === undefined) return host;
  const what =
    own === present
      ? `${node} is this host itself`
      : `${node} is an earlier name of this host, which has leases under it`;
  throw new CniError(
    CniCode.invalidEnvironment,
    what,
    'Use gc without --host for dead containers of this host, or release for one container.',
  );
}
