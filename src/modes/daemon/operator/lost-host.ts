/** `gc --host`: the reservations of another host of this cluster, which is gone for good. */
import { CniCode, CniError } from '../../../cni/errors.ts';
import type { LeaseDeps } from '../../../infoblox/lease/deps.ts';
import type { FormerNames } from '../../../infoblox/lease/former-names.ts';
import { listOfHost, releaseOfHost } from '../../../infoblox/lease/orphans/lost-host.ts';
import { hostPrefix, type Origin, parseMark } from '../../../infoblox/mark.ts';
import type { OperatorHandler } from './operator-handler.ts';

/** Milliseconds for the list: as long as a search of many pages may wait for the grid. */
const longestList = 60_000;
/** Milliseconds for one page of releases, on a grid that takes seconds for each request. */
const longestPage = 600_000;

/** Makes the handler that lists what a host has reserved. */
export function hostReservationsHandler(deps: LeaseDeps): OperatorHandler<'operator/host-reservations'> {
  return {
    longest: longestList,
    async run({ host }, { gone }) {
      const origin = otherHost(deps.names, host);
      const signal = AbortSignal.any([gone, AbortSignal.timeout(longestList)]);
      return { result: { cluster: origin.cluster, ...(await listOfHost(deps, origin, signal)) } };
    },
  };
}

/** Makes the handler that releases some of it. */
export function releaseHostHandler(deps: LeaseDeps): OperatorHandler<'operator/release-host'> {
  return {
    longest: longestPage,
    changes: true,
    async run({ host, reservations }, { gone, tell }) {
      const prefix = hostPrefix(otherHost(deps.names, host));
      const stray = reservations.find(({ mark }) => parseMark(mark) === undefined || !mark.startsWith(prefix));
      if (stray !== undefined) throw new CniError(CniCode.invalidEnvironment, `"${stray.mark}" is no mark of ${host}`);
      const total = reservations.length;
      const onDone = (done: number) => tell({ done, total });
      const { released, left, failure } = await releaseOfHost(deps, reservations, { stop: gone, onDone });
      const stopped = failure === undefined ? null : { message: failure.message, hint: failure.hint ?? null };
      const fields = { host, released: released.length, left: left.length, reason: stopped?.message };
      return { result: { released, left, stopped }, fields };
    },
  };
}

/** @throws CniError for this host itself */
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
    'Use gc without --host for what is dead here, release for one container.',
  );
}
