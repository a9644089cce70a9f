/** Keys that people write under `ipam` from habit, out of other IPAM plugins or of a guess, and what to write instead. */
import { plainSpelling } from '../config/spelling.ts';

/** What to say about such a key: our key for it, or why there is none and what to do. */
type ForeignKey = { readonly meant: string } | { readonly unsupported: string; readonly instead: string };

const ranges: ForeignKey = {
  unsupported: 'address ranges are not supported',
  instead:
    'Name the network in ipam.subnet, and keep addresses out of use with reservations or DHCP ranges on the grid.',
};
const pinned: ForeignKey = {
  unsupported: 'addresses cannot be pinned in the network configuration',
  instead: 'Request an address with the capability "ips", or with IP= in CNI_ARGS.',
};

/** By the key without case and separators: `rangeStart` is `rangestart`. */
const foreignKeys: ReadonlyMap<string, ForeignKey> = new Map<string, ForeignKey>([
  // host-local
  ['ranges', ranges],
  ['rangestart', ranges],
  ['rangeend', ranges],
  // whereabouts
  ['range', { meant: 'subnet' }],
  ['exclude', ranges],
  // static
  ['addresses', pinned],
  // near to ours
  ['view', { meant: 'network-view' }],
  ['netview', { meant: 'network-view' }],
  ['prefix', { meant: 'prefix-length' }],
  ['prefixlen', { meant: 'prefix-length' }],
  ['cidr', { meant: 'subnet' }],
  ['network', { meant: 'subnet' }],
  ['container', { meant: 'network-container' }],
  ['gw', { meant: 'gateway' }],
]);

/** Looks up a key that is none of ours. */
export function foreignKey(key: string): ForeignKey | undefined {
  return foreignKeys.get(plainSpelling(key));
}
