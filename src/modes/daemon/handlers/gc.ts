/** GC: releases what the runtime no longer knows. */
import { validAttachments } from '../../../cni/attachments.ts';
import { parseNetconf } from '../../../cni/netconf.ts';
import { collectGarbage } from '../../../infoblox/lease/gc.ts';
import type { ReleaseDeps } from '../../../infoblox/lease/release/release.ts';
import type { Handler } from './handler.ts';
import { type SpecDefaults, viewOf } from './network-spec.ts';

/** Milliseconds. */
const longest = 55_000;
/** Addresses that a line of the log names at most. */
const mostNamed = 50;

/** Makes the handler of GC. */
export function gcHandler(deps: ReleaseDeps & { readonly defaults: SpecDefaults }): Handler {
  return {
    longest,
    async run(call) {
      const netconf = parseNetconf(call.config, 'GC');
      const valid = validAttachments(call.config);
      if (valid === undefined) return { fields: { skipped: 'no list of valid attachments' } };
      const request = { network: netconf.name, view: viewOf(netconf, deps.defaults), valid };
      const { released, releasing } = await collectGarbage(deps, request, AbortSignal.timeout(longest));
      const addresses = listed([...released, ...releasing]);
      return { fields: { released: released.length, releasing: releasing.length, ...addresses } };
    },
  };
}

function listed(addresses: readonly string[]): { readonly addresses?: string } {
  if (addresses.length === 0) return {};
  const named = addresses.slice(0, mostNamed).join(', ');
  return { addresses: addresses.length > mostNamed ? `${named}, ...` : named };
}
