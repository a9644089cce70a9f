/** `release` and `gc`: leases that an operator ends. Both end them as a DEL does; they differ in whose. */
import { CniCode, CniError } from '../../../cni/errors.ts';
import { turnEvery } from '../../../infoblox/concurrency/clock.ts';
import { writesAtATime } from '../../../infoblox/lease/deps.ts';
import { ending, endLease } from '../../../infoblox/lease/endings.ts';
import type { ReleaseDeps } from '../../../infoblox/lease/release/release.ts';
import type { Fields } from '../../../infoblox/log.ts';
import type { LeaseRecord, OperatorResult } from '../../operator-protocol.ts';
import { findLeases } from './leases.ts';
import type { OperatorHandler } from './operator-handler.ts';

/** Milliseconds. */
const longest = 10_000;
type Released = OperatorResult<'operator/release'>;

/** Makes the handler of `release`: all leases of a container, whether or not it is proven dead. */
export function releaseHandler(deps: ReleaseDeps): OperatorHandler<'operator/release'> {
  return {
    longest,
    changes: true,
    async run({ container, isWhole, network, evenIfAlive }) {
      const result: Released = { leases: [], kept: [] };
      const begun = await findLeases(deps, { container, network });
      const whole = begun.filter(({ containerId }) => containerId === container);
      const leases = isWhole || whole.length > 0 ? whole : begun;
      refuseAmbiguous(container, leases);
      for (const lease of leases) {
        const { answer, because } = endLease(deps, lease, {
          cause: 'release',
          evenIfAlive,
          fateOf: deps.sandboxes.fate,
        });
        if (answer === 'keep') result.kept.push({ lease, why: because });
        else {
          deps.allocator.abort(lease.mark);
          result.leases.push(lease);
        }
      }
      return { result, fields: namesOf(result) };
    },
  };
}

/** Makes the handler of `gc`: the leases whose sandbox is proven gone, without the reaper's period of grace. */
export function gcByHandHandler(deps: ReleaseDeps): OperatorHandler<'operator/gc'> {
  return {
    longest,
    changes: true,
    async run({ dryRun }) {
      const result: Released = { leases: [], kept: [] };
      const turn = turnEvery(deps.clock, writesAtATime);
      for (const lease of await findLeases(deps, { phase: 'bound' })) {
        if (lease.sandbox !== 'gone') continue;
        const isAdding = deps.allocator.isAdding(lease.mark);
        const reason = { cause: 'gc', isAdding, fateOf: deps.sandboxes.fate } as const;
        const { answer } = dryRun
          ? ending(reason, { identity: lease, lease: deps.store.get(lease.mark) }, deps.moment())
          : endLease(deps, lease, reason);
        if (answer === 'release') result.leases.push(lease);
        await turn();
      }
      return { result, fields: dryRun ? { wouldRelease: result.leases.length } : namesOf(result) };
    },
  };
}

/** The first characters of an ID will do if they are those of one container. @throws CniError */
function refuseAmbiguous(container: string, leases: readonly LeaseRecord[]): void {
  const ids = [...new Set(leases.map(({ containerId }) => containerId))];
  if (ids.length <= 1) return;
  const named = `${ids.slice(0, 3).join(', ')}${ids.length > 3 ? ', ...' : ''}`;
  const what = `"${container}" is the beginning of ${ids.length} container IDs: ${named}`;
  throw new CniError(CniCode.invalidEnvironment, what, 'Name more of the ID.');
}

function namesOf({ leases }: Released): Fields {
  return { released: leases.length, addresses: leases.map(({ address }) => address).join(', ') };
}
