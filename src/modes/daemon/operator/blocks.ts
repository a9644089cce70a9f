/** What people are told of host blocks. */
import { compareAddresses } from '../../../infoblox/address.ts';
import { intervalOf } from '../../../infoblox/lease/block/block.ts';
import { statesOf } from '../../../infoblox/lease/block/states.ts';
import type { LeaseDeps } from '../../../infoblox/lease/deps.ts';
import { hostPrefix, parseBlockMark } from '../../../infoblox/mark.ts';
import type { BlockRecord } from '../../operator-protocol.ts';

export type BlocksDeps = Pick<LeaseDeps, 'blocks' | 'store' | 'names' | 'clock'>;

/** Makes the records of all blocks, by network and place. */
export function blockRecords({ blocks, store, names, clock }: BlocksDeps): BlockRecord[] {
  const own = names.all.map(hostPrefix);
  const records = statesOf(blocks, store).map(({ block, ...state }): BlockRecord => {
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
