/** The page for people at the address of the metrics. */
import { renderPage } from '../../page/page.ts';
import type { Page } from '../metrics/listener.ts';
import { byNetworkAndAddress } from './lease-order.ts';
import { findLeases, type LeasesDeps } from './leases.ts';
import { type OperatorStatusDeps, statusOf } from './status.ts';

/** Makes the page as of now. */
export async function hostPage(deps: OperatorStatusDeps & LeasesDeps): Promise<Page> {
  const leases = await findLeases(deps, {});
  return {
    type: 'text/html; charset=utf-8',
    text: renderPage({ status: await statusOf(deps), leases: leases.toSorted(byNetworkAndAddress), now: Date.now() }),
  };
}
